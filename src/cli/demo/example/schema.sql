CREATE TABLE loans (
    book     TEXT NOT NULL,
    reader   TEXT NOT NULL,
    lent_on  DATE NOT NULL
);
