//! Wrong expressions: where exactly the mistake is marked, what it says, and what to do. Between the marks stands what is meant.

use forgehand::formula::expression::{Mistake, Wants, absent, check, sure, sure_of_items};

use super::scope;

/// The marked source, the message and the help, which may be none.
type Wrong = (&'static str, &'static str, &'static str);

/// Each has one mistake.
const CONDITIONS: &[Wrong] = &[
    ("«»", "there is no expression here", ""),
    ("«isue».title == 'x'", "nothing is called `isue` here", "did you mean `issue`?"),
    ("issue.«titel» == 'x'", "`issue` has no `titel`", "did you mean `title`?"),
    (
        "«nothing».at.all",
        "nothing is called `nothing` here",
        "there are `inputs`, `issue`, `now` and `steps`; a text stands in quotes",
    ),
    ("steps.fix.output.outcome == «'dnoe'»", "`steps.fix.output.outcome` is never `dnoe`", "did you mean `done`?"),
    ("«'nochange'» != steps.fix.output.outcome", "`steps.fix.output.outcome` is never `nochange`", "did you mean `no-change`?"),
    (
        "steps.fix.output.outcome == «'xyzzy'»",
        "`steps.fix.output.outcome` is never `xyzzy`",
        "it is one of `done`, `no-change` and `refused`",
    ),
    (
        "steps.fix.output.outcome in ['done', «'refusd'»]",
        "`steps.fix.output.outcome` is never `refusd`",
        "did you mean `refused`?",
    ),
    ("steps.«write»-tests.output.passed", "`steps` has no `write`", "did you mean `steps['write-tests']`?"),
    ("steps.«fixx».output.title == ''", "`steps` has no `fixx`", "did you mean `fix`?"),
    ("steps.fix.«outptu».title == ''", "`steps.fix` has no `outptu`", "did you mean `output`?"),
    (
        "steps.fix.output.touched.«path» == 'x'",
        "`steps.fix.output.touched` is a list and has no `path`",
        "ask its items: `.exists(each, each.path ..)`, or one of them: `[0].path`",
    ),
    ("steps.fix.output.touched[0].«pth» == 'x'", "`steps.fix.output.touched[0]` has no `pth`", "did you mean `path`?"),
    ("steps.fix.output.touched[«'a'»].path == 'x'", "items of a list are counted, from 0; this is a text", ""),
    ("steps.fix.output.touched.exists(f, f.«line» > 3)", "`f` has no `line`", "did you mean `lines`?"),
    (
        "steps.fix.output.touched.exists(f, «f.lines»)",
        "what `exists` asks must be true or false, it is a whole number",
        "compare it: `.. > 0`",
    ),
    (
        "steps.fix.output.touched.«exists»(f)",
        "`exists` takes a name for each item and what to do with it",
        "write `.exists(each, ..)`",
    ),
    ("steps.fix.output.touched.exists(«'f'», true)", "here stands a name for each item", "write `.exists(each, ..)`"),
    ("«issue.number».exists(x, x)", "`exists` goes through a list, this is a whole number", ""),
    ("«steps.fix.output.scores».map(x, x) == []", "`map` makes a list, and the fields of an object have no order", ""),
    ("«issue.number == '7'»", "a whole number is never a text", "numbers stand without quotes"),
    ("«issue.title == null»", "`issue.title` is a text and never null", "`has(..)` asks whether a field is there"),
    ("«issue.title == 7»", "a text is never a whole number", "texts stand in quotes"),
    ("«inputs.loud == 'true'»", "true or false is never a text", "true and false stand without quotes"),
    ("«issue.created == '2026-01-01'»", "a time is never a text", "make a time of it: `timestamp(..)`"),
    ("«issue.created > '2026-01-01'»", "a time is neither less nor more than a text", "make a time of it: `timestamp(..)`"),
    ("«now - issue.created > 5»", "a duration is neither less nor more than a whole number", ""),
    ("«now - issue.created > '5m'»", "a duration is neither less nor more than a text", "make a duration of it: `duration(..)`"),
    ("«now + 5» > now", "`+` does not go with a time and a whole number", ""),
    ("«issue.title < 3»", "a text is neither less nor more than a whole number", "texts stand in quotes"),
    ("«issue.labels > 3»", "a list is neither less nor more than a whole number", "`size(..)` is how many it has"),
    ("«issue.number + 'a'» == 'a'", "`+` does not go with a whole number and a text", "make a text of it: `string(..)`"),
    (
        "«issue.number * 1.5» > 3.0",
        "`*` does not go with a whole number and a decimal number",
        "write whole numbers with a point, `2.0`, or make one of what is given: `double(..)`",
    ),
    (
        "«inputs.limit + 1» > 3.0",
        "`+` does not go with a decimal number and a whole number",
        "write whole numbers with a point, `2.0`, or make one of what is given: `double(..)`",
    ),
    ("«inputs.limit % 2.0» == 0.0", "`%` does not go with a decimal number and a decimal number", ""),
    ("issue.number / «0» > 1", "nothing can be divided by 0", ""),
    ("«-issue.title» == 'x'", "a number has a `-` before it, this is a text", ""),
    ("«issue.title»", "a condition is true or false, this is a text", "compare it: `.. == 'a word'`"),
    ("«issue.number»", "a condition is true or false, this is a whole number", "compare it: `.. > 0`"),
    ("«issue.labels»", "a condition is true or false, this is a list", "`size(..) > 0` asks whether there is something in it"),
    ("«issue.number» && true", "this must be true or false, it is a whole number", "compare it: `.. > 0`"),
    ("!«issue.title»", "this must be true or false, it is a text", "compare it: `.. == 'a word'`"),
    (
        "«issue.labels» || true",
        "this must be true or false, it is a list",
        "`size(..) > 0` asks whether there is something in it",
    ),
    (
        "«issue.title» ? true : false",
        "what stands before `?` must be true or false, it is a text",
        "compare it: `.. == 'a word'`",
    ),
    ("«true ? 1 : 'a'»", "one branch is a whole number, the other a text", ""),
    ("[1, «'a'»] == []", "the items before are whole numbers, this is a text", ""),
    (
        "[1, «2.5»] == []",
        "the items before are whole numbers, this is a decimal number",
        "write whole numbers with a point, `2.0`, or make one of what is given: `double(..)`",
    ),
    ("«issue.labels + [1]» == []", "these lists hold different things", ""),
    (
        "'a' in «issue.title»",
        "`in` asks a list, this is a text",
        "`issue.title.contains(..)` asks whether a text is part of another",
    ),
    ("«3» in issue.labels", "`issue.labels` holds texts, this is a whole number", "texts stand in quotes"),
    ("3 in «issue.number»", "`in` asks a list, this is a whole number", ""),
    ("«3» in issue", "a field has a text for a name, this is a whole number", ""),
    ("issue[«3»] == 3", "a field has a text for a name, this is a whole number", ""),
    ("issue[«'nubmer'»] == 3", "`issue` has no `nubmer`", "did you mean `number`?"),
    ("«issue.number[0]» == 3", "`issue.number` is a whole number and has no items", ""),
    ("issue.title.«foo» == 3", "`issue.title` is a text and has no fields", ""),
    ("«len»(issue.labels) > 3", "there is no function `len`", "did you mean `size(..)`?"),
    ("issue.labels.«length»() > 3", "there is no function `length`", "did you mean `size(..)`?"),
    (
        "issue.title.«tolower»() == 'x'",
        "there is no function `tolower`",
        "of a text: `contains`, `startsWith`, `endsWith`, `matches`, `size`; of a list: `all`, `exists`, `filter`, `map`, `size`",
    ),
    ("issue.title.«startWith»('x')", "there is no function `startWith`", "did you mean `.startsWith(..)`?"),
    ("issue.«title»() == 'x'", "there is no function `title`", "`title` is a field: write it without brackets"),
    (
        "«contains»(issue.title, 'x')",
        "`contains` is asked of something",
        "write it behind what it asks: `issue.title.contains(..)`",
    ),
    ("issue.number.«string»() == '7'", "`string` is not asked of something", "write it before: `string(..)`"),
    ("«exists»(issue.labels, x, x == 'a')", "`exists` is asked of a list", "write it behind a list: `list.exists(each, ..)`"),
    ("issue.title.«startsWith»('x', 'y')", "`startsWith` takes one thing, here are 2", ""),
    ("«size»() > 3", "`size` takes one thing, here are 0", ""),
    ("«size»(issue.labels, 1) > 3", "`size` takes one thing, here are 2", ""),
    ("issue.title.startsWith(«3»)", "`startsWith` asks a text, this is a whole number", "make a text of it: `string(..)`"),
    ("«issue.labels».contains('x')", "`contains` asks a text, this is a list", "write `x in list`"),
    (
        "«issue.labels».startsWith('x')",
        "`startsWith` asks a text, this is a list",
        "ask its items: `.exists(each, each.startsWith(..))`",
    ),
    ("«issue.number».startsWith('x')", "`startsWith` asks a text, this is a whole number", "make a text of it: `string(..)`"),
    (
        "issue.created.getHours(«'Mars/Base'») == 3",
        "`getHours` cannot read `Mars/Base`",
        "write it as `Europe/Berlin` or `+02:00`",
    ),
    (
        "«issue.title».getHours() == 3",
        "`getHours` asks a time or a duration, this is a text",
        "make a time of it: `timestamp(..)`",
    ),
    ("size(«3») == 3", "`size` asks a text, a list or an object, this is a whole number", ""),
    ("issue.title.matches(«'('»)", "`matches` cannot read `(`", "patterns are regular expressions, best written raw: `r'\\d+'`"),
    ("timestamp(«'yesterday'») < now", "`timestamp` cannot read `yesterday`", "write it as `2026-01-31T09:30:00Z`"),
    ("int(«'seven'») == 7", "`int` cannot read `seven`", "write the number itself"),
    ("double(«'1,5'») == 1.5", "`double` cannot read `1,5`", "write the number itself"),
    (
        "has(«issue»)",
        "`has` asks whether a field is there",
        "`issue` itself is always there; `has(issue.field)` asks for a field of it",
    ),
    ("has(«steps['fix']»)", "`has` asks whether a field is there", "write `'fix' in steps`"),
    ("«has»(issue.title, issue.number)", "`has` takes one field, here are 2", "write `has(a.b) && has(a.c)`"),
    ("has(issue.«titel»)", "`issue` has no `titel`", "did you mean `title`?"),
    ("{'a': 1, «'a'»: 2} == {}", "`a` is given twice", ""),
    ("{«1»: 2} == {}", "a field has a text for a name, this is a whole number", ""),
    ("«1u» == 1", "numbers without a sign are not part of formulas", "write it without the `u`"),
    ("«Thing{a: 1}» == 3", "messages are not part of formulas", ""),
    ("«now»() > issue.created", "there is no function `now`", "`now` is a name: write it without brackets"),
    ("«'done' == 'nope'»", "`'done'` and `'nope'` are never the same", ""),
    ("issue.title «=» 'x'", "`=` cannot stand here", "compare with `==`"),
    ("issue.title == 'x' «and» true", "`and` cannot stand here", "`and` is written `&&`"),
    ("issue.title == 'x' «or» true", "`or` cannot stand here", "`or` is written `||`"),
    ("not «inputs».loud", "`inputs` cannot stand here", "`not` is written `!`"),
    ("issue.title == 'x' «&» true", "`&` cannot stand here", "`and` is written `&&`"),
    ("issue.title «is» 'x'", "`is` cannot stand here", "compare with `==`"),
    ("issue.number <«>» 3", "`>` cannot stand here", "`is not` is written `!=`"),
    ("issue.title == «“»x”", "`“` cannot stand here", "put texts into straight quotes, `'` or `\"`"),
    ("issue.title == «'»x", "this text is not closed", "end it with the quote that it begins with"),
    ("issue.title == 'a«\\d»'", "`\\d` is no escape", "a backslash is written `\\\\`, or put an `r` before the quote: `r'\\d+'`"),
    ("«(»issue.number > 3", "`(` is not closed", "a `)` is missing"),
    ("issue.number > 3«)»", "`)` closes nothing", ""),
    ("issue.number «>»", "the expression ends too early, after `>`", ""),
    ("issue.number > «>» 3", "`>` cannot stand here", ""),
    ("{{issue.number«}»} > 3", "`}` cannot stand here", "names stand as they are in an expression, without `{{ }}`"),
    ("issue«.»?title == 'x'", "optional values are not part of formulas", "ask with `has(..)` whether it is there"),
    (
        "issue.«`»title` == 'x'",
        "``` cannot stand here",
        "an expression is made of names, texts in quotes, numbers, operators and brackets",
    ),
    ("«if» == 3", "`if` is a word of the language and no name", "write `condition ? this : that`"),
    ("issue.number == «99999999999999999999»", "`99999999999999999999` is too large or not well formed", ""),
    (
        "l«ä»bel == 3",
        "`ä` cannot stand here",
        "names are made of a to z, digits and `_`; another field is asked for with `['its name']`",
    ),
    (
        "issue.number == 3 «#» seven",
        "`#` cannot stand here",
        "an expression is made of names, texts in quotes, numbers, operators and brackets",
    ),
    (
        "issue.labels.all(a, issue.labels.all(b, issue.labels.«all»(c, a == b)))",
        "lists are gone through at most 2 deep in each other",
        "",
    ),
    ("((((((((((((((((«(» true )))))))))))))))))", "brackets stand at most 16 deep in each other", ""),
    ("«br»'x' == 'y'", "`br` cannot stand before a text", ""),
    ("(steps.fix.output).«outcom» == 'x'", "`steps.fix.output` has no `outcom`", "did you mean `outcome`?"),
    ("issue.title == 'ü' && issue.«titel» == 'x'", "`issue` has no `titel`", "did you mean `title`?"),
    ("issue.title == 'ü' «and» issue.title == 'x'", "`and` cannot stand here", "`and` is written `&&`"),
    (
        "«'done'» in steps.each.output.map(e, e.issue)",
        "`steps.each.output.map(e, e.issue)` holds whole numbers, this is a text",
        "",
    ),
    ("'x' in [«steps.fix.status»]", "`steps.fix.status` is never `x`", "it is one of `done`, `skipped` and `failed`"),
    (
        "«'x'» in steps.fix.output.touched.map(f, f.kind)",
        "`steps.fix.output.touched.map(f, f.kind)` never holds `x`",
        "it is one of `code` and `test`",
    ),
    ("issue.title == 'ü' «+»", "the expression ends too early, after `+`", ""),
];

const LISTS: &[Wrong] = &[
    ("«issue»", "a list is wanted here, this is an object", "name the field that holds the list"),
    ("«issue.title»", "a list is wanted here, this is a text", ""),
    ("«issue.number > 3»", "a list is wanted here, this is true or false", ""),
];

/// Each has all of these at once.
const SEVERAL: &[&[Wrong]] = &[
    &[
        ("«issue».map(x, x)", "`map` makes a list, and the fields of an object have no order", ""),
        (
            "«issue.map(x, x)»",
            "a condition is true or false, this is a list",
            "`size(..) > 0` asks whether there is something in it",
        ),
    ],
    &[
        ("«issue.created.getHours('Mars/Base')»", "a condition is true or false, this is a whole number", "compare it: `.. > 0`"),
        (
            "issue.created.getHours(«'Mars/Base'»)",
            "`getHours` cannot read `Mars/Base`",
            "write it as `Europe/Berlin` or `+02:00`",
        ),
    ],
    &[
        (
            "duration(«'5 minutes'») < duration('1d')",
            "`duration` cannot read `5 minutes`",
            "write it as `90s`, `45m`, `1h30m`; the longest unit is `h`",
        ),
        (
            "duration('5 minutes') < duration(«'1d'»)",
            "`duration` cannot read `1d`",
            "write it as `90s`, `45m`, `1h30m`; the longest unit is `h`",
        ),
    ],
    &[
        ("«b'a'» == b'a'", "bytes are not part of formulas", "write it without the `b`"),
        ("b'a' == «b'a'»", "bytes are not part of formulas", "write it without the `b`"),
    ],
    &[
        (
            "«zed» == 3 && isue == 4 || issue.titel == ''",
            "nothing is called `zed` here",
            "there are `inputs`, `issue`, `now` and `steps`; a text stands in quotes",
        ),
        ("zed == 3 && «isue» == 4 || issue.titel == ''", "nothing is called `isue` here", "did you mean `issue`?"),
        ("zed == 3 && isue == 4 || issue.«titel» == ''", "`issue` has no `titel`", "did you mean `title`?"),
    ],
    &[
        ("«(issue.number) == 'ü'» ? (issue.labels) : ((issue.title))", "a whole number is never a text", ""),
        ("«(issue.number) == 'ü' ? (issue.labels) : ((issue.title))»", "one branch is a list, the other a text", ""),
    ],
];

fn bare(marked: &str) -> String {
    marked.replace(['«', '»'], "")
}

fn marked(source: &str, mistake: &Mistake) -> (String, String, String) {
    let Mistake { span, message, help } = mistake.clone();
    let marked = format!("{}«{}»{}", &source[..span.start], &source[span.clone()], &source[span.end..]);
    (marked, message, help.unwrap_or_default())
}

fn assert_wrong(wants: Wants, all: &[Wrong]) {
    let source = bare(all[0].0);
    let found = check(&source, &scope(), wants).expect_err(&source);
    let found: Vec<(String, String, String)> = found.iter().map(|mistake| marked(&source, mistake)).collect();
    let expected: Vec<(String, String, String)> = all.iter().map(|(m, s, h)| ((*m).into(), (*s).into(), (*h).into())).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_wrong_is_said_where_it_is_with_what_to_do() {
    for wrong in CONDITIONS {
        assert_wrong(Wants::Bool, &[*wrong]);
    }
    for wrong in LISTS {
        assert_wrong(Wants::List, &[*wrong]);
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    for wrong in SEVERAL {
        assert_wrong(Wants::Bool, wrong);
    }
}

/// What need not be there, a condition that holds, and what is marked.
const ABSENT: &[(&str, &str, &[&str])] = &[
    ("steps.fix.output.title", "true", &[]),
    ("«steps.fix.output.confidence»", "true", &["`steps.fix.output.confidence` need not be there"]),
    ("steps.fix.output.confidence", "has(steps.fix.output.confidence)", &[]),
    ("steps.fix.output.confidence", "steps.fix.output.confidence > 0.5", &[]),
    ("steps.fix.output.confidence", "!(steps.fix.output.confidence < 0.5)", &[]),
    ("«steps.fix.output.confidence»", "issue.number == 7 || has(steps.fix.output.confidence)", &["need not be there"]),
    ("has(steps.fix.output.confidence) ? steps.fix.output.confidence : 0.5", "true", &[]),
    ("!has(steps.fix.output.confidence) ? 0.5 : steps.fix.output.confidence", "true", &[]),
    ("has(steps.fix.output.touched) ? «steps.fix.output.confidence» : 0.5", "true", &["need not be there"]),
    ("«steps.fix.output.summary»", "has(steps.fix.output.summary)", &["`steps.fix.output.summary` can be null"]),
    ("steps.fix.output.summary", "steps.fix.output.summary != null", &[]),
    ("steps.fix.output.summary", "steps.fix.output.summary.contains('a')", &[]),
    ("has(steps.fix.output.summary) && steps.fix.output.summary != null ? steps.fix.output.summary : ''", "true", &[]),
    ("size(«steps.fix.output.touched») > 0 ? 1 : size(steps.fix.output.touched)", "true", &["need not be there"]),
    ("steps.fix.output.touched.map(f, f.path)", "has(steps.fix.output.touched)", &[]),
    ("steps.fix.output.touched.map(f, «f.kind»)", "has(steps.fix.output.touched)", &["`f.kind` need not be there"]),
    ("steps.fix.output.touched.map(f, has(f.kind), f.kind)", "has(steps.fix.output.touched)", &[]),
    ("steps.fix.output.touched.filter(t, has(t.kind)).map(f, f.kind)", "has(steps.fix.output.touched)", &[]),
    (
        "steps.fix.output.touched.map(f, has(f.kind), steps.fix.output.touched.map(f, «f.kind»))",
        "has(steps.fix.output.touched)",
        &["need not be there"],
    ),
    ("steps.fix.output.touched[0].kind", "has(steps.fix.output.touched[0].kind)", &[]),
    ("steps.fix.output.touched[1].path", "has(steps.fix.output.touched[0].kind)", &[]),
    ("{ 'a': steps.fix.output.summary }", "has(steps.fix.output.summary)", &[]),
    ("[«steps.fix.output.summary»]", "has(steps.fix.output.summary)", &["can be null"]),
];

#[test]
fn what_need_not_be_there_is_marked() {
    for (marked, when, said) in ABSENT {
        let source: String = marked.replace(['«', '»'], "");
        let found = absent(&source, &scope(), &sure(when));
        let all: Vec<&str> = found.iter().map(|mistake| &source[mistake.span.clone()]).collect();
        let wanted: Vec<&str> = marked.split('«').skip(1).filter_map(|rest| rest.split('»').next()).collect();
        assert_eq!(all, wanted, "{marked} where {when}");
        for (mistake, said) in found.iter().zip(*said) {
            assert!(mistake.message.contains(said), "{mistake:?}");
            assert!(mistake.help.as_deref().is_some_and(|help| help.contains('?')), "{mistake:?}");
        }
        assert_eq!(found.len(), said.len(), "{marked} where {when}");
    }
}

#[test]
fn what_a_list_was_filtered_by_is_sure_of_its_items() {
    let sure = sure_of_items("a.filter(x, has(x.kind)).filter(y, y.lines > 3)", "item");
    assert!(sure.has("item.kind") && sure.has_value("item.lines") && !sure.has("x.kind"), "{sure:?}");
    assert_eq!(sure_of_items("a.filter(x, has(x.kind)).map(x, x.b)", "item"), Default::default());
}
