//! Finding secrets: each rule by a sample that is made up here, so that no file of this repository holds what looks like one; our own
//! secrets in every form; and what must not be taken for a secret.

use std::collections::BTreeSet;

use base64::Engine as _;
use forgehand::scan::{OWN_SECRET, Scanner, rule_names};
use proptest::prelude::*;
use secrecy::SecretString;

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DIGITS: &str = "0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// A made-up secret: `length` characters of an alphabet, the same each time.
fn made(alphabet: &str, length: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15 ^ length as u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        letters[(state >> 33) as usize % letters.len()]
    };
    (0..length).map(next).collect()
}

fn rules(text: &str) -> BTreeSet<&'static str> {
    Scanner::new(vec![]).find(text).into_iter().map(|f| f.rule).collect()
}

/// For each rule what it must find.
fn samples() -> Vec<(&'static str, String)> {
    let a = |n| made(ALNUM, n);
    let h = |n| made(HEX, n);
    let uuid = || format!("{}-{}-{}-{}-{}", h(8), h(4), h(4), h(4), h(12));
    let dashes = "-".repeat(5);
    vec![
        ("github-token", format!("ghp_{}", a(36))),
        ("github-fine-grained-token", format!("github_pat_{}", a(82))),
        ("gitlab-token", format!("glpat-{}", a(20))),
        ("gitlab-runner-registration", format!("GR1348941{}", a(20))),
        ("forge-token-header", format!("curl -H 'X: token {}'", h(40))),
        ("forge-token-assigned", format!("forgejo_token: {}", h(40))),
        ("bitbucket-app-password", format!("ATBB{}", a(32))),
        ("atlassian-token", format!("ATATT3{}", a(180))),
        ("anthropic-key", format!("sk-ant-oat01-{}", a(90))),
        ("openai-key", format!("sk-{}T3BlbkFJ{}", a(20), a(20))),
        ("openai-project-key", format!("sk-proj-{}", a(100))),
        ("openrouter-key", format!("sk-or-v1-{}", h(64))),
        ("google-api-key", format!("AIza{}", a(35))),
        ("google-oauth-token", format!("ya29.{}", a(60))),
        ("google-oauth-secret", format!("GOCSPX-{}", a(28))),
        ("hugging-face-token", format!("hf_{}", made(LETTERS, 34))),
        ("replicate-token", format!("r8_{}", a(37))),
        ("groq-key", format!("gsk_{}", a(52))),
        ("perplexity-key", format!("pplx-{}", a(48))),
        ("xai-key", format!("xai-{}", a(80))),
        ("fireworks-key", format!("fw_{}", a(24))),
        ("langsmith-key", format!("lsv2_pt_{}_{}", h(32), h(10))),
        ("aws-access-key", format!("AKIA{}", made(BASE32, 16))),
        ("aws-secret-key", format!("aws_secret_access_key = {}", a(40))),
        ("aws-bedrock-key", format!("ABSK{}", a(120))),
        ("azure-storage-key", format!("AccountKey={}==", a(86))),
        ("azure-client-secret", format!(" {}8Q~{}", a(3), a(34))),
        ("azure-sas-signature", format!("https://x.blob.core.windows.net/c?sv=2024&se=2030&sig={}%3D", a(43))),
        ("google-service-account", format!("\"private_key_id\": \"{}\"", h(40))),
        ("digitalocean-token", format!("dop_v1_{}", h(64))),
        ("alibaba-access-key", format!("LTAI{}", a(20))),
        ("tencent-secret-id", format!("AKID{}", a(32))),
        ("hetzner-token", format!("HCLOUD_TOKEN={}", a(64))),
        ("scaleway-key", format!("SCW{}", made(UPPER, 17))),
        ("cloudflare-key", format!("cloudflare_api_token = \"{}\"", a(40))),
        ("cloudflare-origin-key", format!("v1.0-{}-{}", h(24), h(146))),
        ("fly-token", format!("fo1_{}", a(43))),
        ("heroku-key", format!("HEROKU_API_KEY={}", uuid())),
        ("vercel-token", format!("VERCEL_TOKEN={}", a(24))),
        ("netlify-token", format!("nfp_{}", a(40))),
        ("supabase-key", format!("sbp_{}", h(40))),
        ("planetscale-token", format!("pscale_tkn_{}", a(43))),
        ("databricks-token", format!("dapi{}", h(32))),
        ("doppler-token", format!("dp.pt.{}", a(43))),
        ("vault-token", format!("hvs.{}", a(90))),
        ("terraform-cloud-token", format!("{}.atlasv1.{}", a(14), a(64))),
        ("pulumi-token", format!("pul-{}", h(40))),
        ("one-password-service-account", format!("ops_eyJ{}", a(300))),
        ("tailscale-key", format!("tskey-auth-{}-{}", a(12), a(32))),
        ("age-secret-key", format!("AGE-SECRET-KEY-1{}", made("023456789ACDEFGHJKLMNPQRSTUVWXYZ", 58))),
        ("npm-token", format!("npm_{}", a(36))),
        ("npmrc-auth-token", format!("//r.example.org/:_authToken={}", a(40))),
        ("pypi-token", format!("pypi-AgEIcHlwaS5vcmc{}", a(150))),
        ("crates-io-token", format!("cio{}", a(32))),
        ("rubygems-key", format!("rubygems_{}", h(48))),
        ("nuget-key", format!("oy2{}", made(LOWER, 43))),
        ("docker-hub-token", format!("dckr_pat_{}", a(27))),
        ("docker-registry-auth", format!("{{\"auth\": \"{}\"}}", a(48))),
        ("jfrog-token", format!("AKCp{}", a(69))),
        ("sonar-token", format!("squ_{}", h(40))),
        ("buildkite-token", format!("bkua_{}", a(40))),
        ("circleci-token", format!("CCIPAT_{}_{}", a(22), h(40))),
        ("clojars-token", format!("CLOJARS_{}", made(LOWER, 60))),
        ("slack-token", format!("xoxb-{}-{}", made(DIGITS, 12), a(24))),
        ("slack-app-token", format!("xapp-1-{}-{}-{}", made(UPPER, 11), made(DIGITS, 13), h(64))),
        ("slack-webhook", format!("https://hooks.slack.com/services/T{}/B{}/{}", made(UPPER, 8), made(UPPER, 8), a(24))),
        ("discord-webhook", format!("https://discord.com/api/webhooks/{}/{}", made(DIGITS, 18), a(68))),
        ("discord-bot-token", format!("discord_token = M{}.{}.{}", a(25), a(6), a(38))),
        ("telegram-bot-token", format!("{}:AA{}", made(DIGITS, 10), a(33))),
        (
            "teams-webhook",
            format!("https://x.webhook.office.com/webhookb2/{}@{}/IncomingWebhook/{}/{}", uuid(), uuid(), h(32), uuid()),
        ),
        ("matrix-access-token", format!("syt_{}_{}_{}", a(10), made(LETTERS, 20), a(6))),
        ("sendgrid-key", format!("SG.{}.{}", a(22), a(43))),
        ("mailgun-key", format!("mailgun_key: key-{}", h(32))),
        ("mailchimp-key", format!("{}-us12", h(32))),
        ("brevo-key", format!("xkeysib-{}-{}", h(64), a(16))),
        ("twilio-key", format!("twilio_auth_token={}", h(32))),
        ("stripe-key", format!("sk_live_{}", a(24))),
        ("stripe-webhook-secret", format!("whsec_{}", a(32))),
        ("square-token", format!("sq0atp-{}", a(22))),
        ("shopify-token", format!("shpat_{}", h(32))),
        ("braintree-token", format!("access_token$production${}${}", made(LOWER, 16), h(32))),
        ("sentry-token", format!("sntryu_{}", h(64))),
        ("grafana-token", format!("glsa_{}_{}", a(32), h(8))),
        ("new-relic-key", format!("NRAK-{}", made(UPPER, 27))),
        ("dynatrace-token", format!("dt0c01.{}.{}", made(BASE32, 24), made(BASE32, 64))),
        ("datadog-key", format!("DD_API_KEY={}", h(32))),
        ("posthog-key", format!("phx_{}", a(47))),
        ("algolia-admin-key", format!("algolia_admin_key = {}", h(32))),
        ("airtable-token", format!("pat{}.{}", a(14), h(64))),
        ("notion-token", format!("ntn_{}{}", made(DIGITS, 11), a(35))),
        ("linear-key", format!("lin_api_{}", a(40))),
        ("figma-token", format!("figd_{}", a(40))),
        ("postman-key", format!("PMAK-{}-{}", h(24), h(34))),
        ("contentful-token", format!("CFPAT-{}", a(43))),
        ("mapbox-secret-token", format!("sk.eyJ{}.{}", a(80), a(22))),
        ("facebook-token", format!("EAAC{}", a(120))),
        ("private-key", format!("{dashes}BEGIN OPENSSH PRIVATE KEY{dashes}")),
        ("putty-private-key", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1".into()),
        ("json-web-token", format!("eyJ{}.eyJ{}.{}", a(30), a(60), a(43))),
        ("password-in-url", format!("postgres://app:{}@db.internal/x", a(12))),
        ("token-in-url", format!("https://{}@forge.internal/o/r.git", h(40))),
        ("authorization-header", format!("Authorization: Basic {}=", a(39))),
        ("assigned-secret", format!("const dbPassword = \"{}\";", a(24))),
        ("assigned-secret-in-environment", format!("export APP_TOKEN={}", a(32))),
    ]
}

#[test]
fn each_rule_finds_its_sample_also_within_other_text() {
    let samples = samples();
    let covered: BTreeSet<_> = samples.iter().map(|(rule, _)| *rule).collect();
    let all: BTreeSet<_> = rule_names().collect();
    assert_eq!(covered, all, "each rule has a sample and each sample a rule");
    let mut missed = Vec::new();
    for (rule, sample) in &samples {
        for text in [sample.clone(), format!("one\n\t{sample}\nthree")] {
            if Scanner::new(vec![]).find(&text).is_empty() {
                missed.push((rule, text));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    // Where two rules fit one text the first may win, but most findings bear the name of their own rule.
    let named = samples.iter().filter(|(rule, sample)| rules(sample).contains(rule)).count();
    assert!(named * 10 >= samples.len() * 9, "{named} of {}", samples.len());
}

#[test]
fn what_is_no_secret_is_left_alone() {
    let harmless = [
        "commit 0123456789abcdef0123456789abcdef01234567",
        "let token = parse_token(&input)?;",
        "password = \"changeme-please-now\"",
        "token_env = \"FORGEHAND_TOKEN\"",
        "AKIAIOSFODNN7EXAMPLE",
        "https://user:password@localhost/x",
        "postgres://user:${DB_PASSWORD}@db/x",
        "git clone https://forge.internal/owner/name.git",
        "Authorization: Bearer $TOKEN",
        "secret: SecretString",
        "API_KEY=<your key here>",
        "sk-ant-api03-your-key-goes-here-xxxx",
        "-----BEGIN PUBLIC KEY-----",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "token_file = \"/run/credentials/forgehand/token\"",
        "pub fn password_in_url(text: &str) -> bool",
    ];
    for text in harmless {
        assert_eq!(Scanner::new(vec![]).find(text), [], "{text}");
    }
    let own = [
        include_str!("../../core/src/scan/rules.rs"),
        include_str!("../../config/secret-rules.toml"),
        include_str!("../../prompts/fix.md"),
    ];
    for text in own {
        let found = Scanner::new(vec![]).find(text);
        assert_eq!(found, [], "{:?}", found.iter().map(|f| &text[f.range.clone()]).collect::<Vec<_>>());
    }
}

#[test]
fn a_private_key_goes_as_a_whole() {
    let dashes = "-".repeat(5);
    let key = format!(
        "{dashes}BEGIN RSA PRIVATE KEY{dashes}\nProc-Type: 4,ENCRYPTED\n\n{}\n{dashes}END RSA PRIVATE KEY{dashes}",
        made(ALNUM, 800)
    );
    assert_eq!(Scanner::new(vec![]).redact(&format!("a {key} b")), "a [redacted: private-key] b");
}

#[test]
fn a_scanner_does_not_show_what_it_knows() {
    let scanner = Scanner::new(vec![SecretString::from("hunter2-hunter2")]);
    assert!(!format!("{scanner:?}").contains("hunter2"));
}

#[test]
fn a_large_text_is_scanned_fast_enough_for_every_push() {
    let line =
        "fn handle(&self, token: &str) -> Result<(), Error> { let password = self.password(token)?; Ok(()) } // key: value\n";
    let text = line.repeat(302 * 1024 / line.len());
    let scanner = Scanner::new(vec![SecretString::from(made(ALNUM, 108))]);
    let warm = scanner.find(&text);
    assert_eq!(warm, []);
    #[expect(clippy::disallowed_methods, reason = "this measures")]
    let start = std::time::Instant::now();
    assert_eq!(scanner.find(&text), []);
    // A few milliseconds where it is optimised; this bound only catches what grows with the square of the text.
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

/// The forms in which a secret could leave.
fn disguises(secret: &str, before: &str) -> Vec<String> {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let joined = format!("{before}{secret}{before}");
    let percent = |upper: bool| {
        secret
            .bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
                    char::from(b).to_string()
                } else if upper {
                    format!("%{b:02X}")
                } else {
                    format!("%{b:02x}")
                }
            })
            .collect::<String>()
    };
    vec![
        joined.clone(),
        STANDARD.encode(&joined),
        URL_SAFE.encode(&joined),
        hex::encode(&joined),
        hex::encode_upper(&joined),
        percent(true),
        percent(false),
        serde_json::to_string(&joined).expect("a string"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn our_own_secret_is_found_in_every_form(secret in "[A-Za-z0-9+/_=\"\\\\&-]{16,120}", before in "[a-z ]{0,5}", around in "[a-z \n]{0,20}") {
        let scanner = Scanner::new(vec![SecretString::from(secret.clone())]);
        for disguise in disguises(&secret, &before) {
            let text = format!("{around}{disguise}{around}");
            let found = scanner.find(&text);
            prop_assert!(found.iter().any(|f| f.rule == OWN_SECRET), "{} in {}", secret, text);
            let clean = scanner.redact(&text);
            prop_assert!(!clean.contains(&secret) && !clean.contains(&disguise), "{}", clean);
            prop_assert!(scanner.find(&clean).iter().all(|f| f.rule != OWN_SECRET), "{}", clean);
        }
    }

    #[test]
    fn a_trimmed_key_is_found_too(secret in "[A-Za-z0-9]{60,100}", cut in 1usize..20, end in 1usize..15) {
        // Letters and digits by chance; a piece without a mix is too rare to matter.
        let piece = &secret[cut..secret.len() - end];
        let scanner = Scanner::new(vec![SecretString::from(secret.clone())]);
        for disguise in disguises(piece, "") {
            let text = format!("x {disguise} y");
            prop_assert!(scanner.find(&text).iter().any(|f| f.rule == OWN_SECRET), "{}", text);
            prop_assert!(!scanner.redact(&text).contains(piece));
        }
    }

    #[test]
    fn nothing_makes_the_scan_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(?s).{0,100}") {
        let scanner = Scanner::new(vec![SecretString::from("0123456789abcdefXYZ")]);
        let length = bytes.len();
        prop_assert!(scanner.find_bytes(&bytes).iter().all(|f| f.range.end <= length && !f.range.is_empty()));
        let _ = scanner.redact(&format!("{text} password=\"{text}\" https://a:{text}@b"));
    }
}
