"""What tables are there, and how does an older file get them?

An append-only list of steps. Each is committed together with its own record, so a crash
between two steps leaves a file that the next start completes. A step that has been released
is never changed; a change is a new step.
"""

STEPS: tuple[tuple[str, str], ...] = (
    (
        "datasets, their examples, and the rows that could not be loaded",
        """
        CREATE TABLE datasets (
            name VARCHAR PRIMARY KEY, source VARCHAR NOT NULL, format VARCHAR NOT NULL, mapping VARCHAR NOT NULL,
            content_hash VARCHAR NOT NULL, rows_read BIGINT NOT NULL, rows_loaded BIGINT NOT NULL,
            rows_quarantined BIGINT NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        CREATE TABLE examples (
            dataset VARCHAR NOT NULL, row_number BIGINT NOT NULL, example_id VARCHAR NOT NULL, file VARCHAR NOT NULL,
            line BIGINT NOT NULL, prompt VARCHAR NOT NULL, response VARCHAR NOT NULL, messages VARCHAR NOT NULL,
            tools VARCHAR, original VARCHAR NOT NULL, PRIMARY KEY (dataset, row_number)
        );
        CREATE TABLE quarantine (
            dataset VARCHAR NOT NULL, file VARCHAR NOT NULL, line BIGINT NOT NULL, byte_offset BIGINT,
            reason VARCHAR NOT NULL, raw VARCHAR NOT NULL
        );
        """,
    ),
    (
        "scoring runs, and the scores taken in from their shards exactly once",
        """
        CREATE TABLE runs (
            run VARCHAR PRIMARY KEY, dataset VARCHAR NOT NULL, settings VARCHAR NOT NULL,
            model_identity VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        CREATE TABLE shards (run VARCHAR NOT NULL, pass VARCHAR NOT NULL, shard VARCHAR NOT NULL,
            PRIMARY KEY (run, pass, shard));
        CREATE TABLE scores (
            run VARCHAR NOT NULL, pass VARCHAR NOT NULL, row_number BIGINT NOT NULL, prompt_tokens INTEGER NOT NULL,
            response_tokens INTEGER NOT NULL, nll DOUBLE, entropy DOUBLE, gini DOUBLE, truncated BOOLEAN NOT NULL,
            unscorable_reason VARCHAR, PRIMARY KEY (run, pass, row_number)
        );
        CREATE TABLE map_points (
            run VARCHAR NOT NULL, row_number BIGINT NOT NULL, x FLOAT NOT NULL, y FLOAT NOT NULL,
            PRIMARY KEY (run, row_number)
        );
        """,
    ),
    (
        "selections with their ledgers",
        """
        CREATE TABLE selections (
            selection VARCHAR PRIMARY KEY, run VARCHAR NOT NULL, dataset VARCHAR NOT NULL, criterion VARCHAR NOT NULL,
            budget VARCHAR NOT NULL, seed BIGINT NOT NULL, settings VARCHAR NOT NULL, examples BIGINT NOT NULL,
            tokens BIGINT NOT NULL, log_det DOUBLE NOT NULL, envelope VARCHAR NOT NULL,
            created_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        CREATE TABLE picks (
            selection VARCHAR NOT NULL, rank BIGINT NOT NULL, row_number BIGINT NOT NULL, gain DOUBLE,
            gain_alone DOUBLE, cumulative DOUBLE, response_tokens INTEGER NOT NULL, reason VARCHAR NOT NULL,
            PRIMARY KEY (selection, rank)
        );
        """,
    ),
    (
        "what a selection proves, what its criterion itself saw, and what each example left out would bring",
        """
        ALTER TABLE selections ADD COLUMN upper_bound DOUBLE;
        ALTER TABLE selections ADD COLUMN variance VARCHAR;
        ALTER TABLE selections ADD COLUMN evaluations VARCHAR;
        ALTER TABLE picks ADD COLUMN objective_gain DOUBLE;
        CREATE TABLE left_out (
            selection VARCHAR NOT NULL, row_number BIGINT NOT NULL, gain DOUBLE NOT NULL, gain_alone DOUBLE NOT NULL,
            PRIMARY KEY (selection, row_number)
        );
        """,
    ),
    (
        "orders computed once, why each example was left out, how a selection compares with random, and decisions",
        """
        CREATE TABLE orders (
            order_name VARCHAR PRIMARY KEY, run VARCHAR NOT NULL, criterion VARCHAR NOT NULL,
            is_complete BOOLEAN NOT NULL, evaluations BIGINT NOT NULL, naive_evaluations BIGINT NOT NULL,
            created_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        CREATE TABLE order_rows (
            order_name VARCHAR NOT NULL, ranking INTEGER NOT NULL, place BIGINT NOT NULL, row_number BIGINT NOT NULL,
            gain DOUBLE, PRIMARY KEY (order_name, ranking, place)
        );
        CREATE TABLE order_refused (
            order_name VARCHAR NOT NULL, row_number BIGINT NOT NULL, detail VARCHAR NOT NULL,
            PRIMARY KEY (order_name, row_number)
        );
        ALTER TABLE selections ADD COLUMN order_name VARCHAR;
        ALTER TABLE selections ADD COLUMN curve VARCHAR;
        ALTER TABLE selections ADD COLUMN comparison VARCHAR;
        CREATE TABLE outcomes (
            selection VARCHAR NOT NULL, row_number BIGINT NOT NULL, gate VARCHAR NOT NULL, detail VARCHAR NOT NULL,
            other_row BIGINT, enters BIGINT, PRIMARY KEY (selection, row_number)
        );
        CREATE TABLE decisions (
            decision BIGINT PRIMARY KEY, dataset VARCHAR NOT NULL, row_number BIGINT NOT NULL, kind VARCHAR NOT NULL,
            why VARCHAR NOT NULL, who VARCHAR NOT NULL, undoes BIGINT,
            made_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        CREATE TABLE repeats (
            repeats VARCHAR NOT NULL, row_number BIGINT NOT NULL, code BIGINT NOT NULL,
            PRIMARY KEY (repeats, row_number)
        );
        """,
    ),
    (
        "loads by blocks, versions of a dataset, and repairs of rows that could not be loaded",
        """
        CREATE TABLE examples_by_row (
            dataset VARCHAR NOT NULL, row_number BIGINT NOT NULL, example_id VARCHAR NOT NULL, file VARCHAR NOT NULL,
            line BIGINT NOT NULL, prompt VARCHAR NOT NULL, response VARCHAR NOT NULL, messages VARCHAR,
            tools VARCHAR, original VARCHAR NOT NULL
        );
        INSERT INTO examples_by_row SELECT * FROM examples ORDER BY dataset, row_number;
        DROP TABLE examples;
        ALTER TABLE examples_by_row RENAME TO examples;
        ALTER TABLE datasets ADD COLUMN title VARCHAR;
        ALTER TABLE datasets ADD COLUMN version INTEGER DEFAULT 1;
        ALTER TABLE datasets ADD COLUMN previous VARCHAR;
        ALTER TABLE datasets ADD COLUMN settings VARCHAR DEFAULT '{}';
        ALTER TABLE datasets ADD COLUMN sources VARCHAR;
        ALTER TABLE datasets ADD COLUMN read_hash VARCHAR DEFAULT '';
        UPDATE datasets SET title = name, sources = to_json([source]);
        ALTER TABLE quarantine ADD COLUMN entry BIGINT;
        ALTER TABLE quarantine ADD COLUMN admitted_row BIGINT;
        UPDATE quarantine SET entry = rowid;
        CREATE TABLE repairs (
            repair BIGINT PRIMARY KEY, dataset VARCHAR NOT NULL, entry BIGINT NOT NULL, kind VARCHAR NOT NULL,
            text VARCHAR, who VARCHAR NOT NULL, made_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        CREATE TABLE loads (
            load VARCHAR PRIMARY KEY, title VARCHAR NOT NULL, dataset VARCHAR NOT NULL, is_new BOOLEAN NOT NULL,
            created_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        CREATE TABLE load_blocks (load VARCHAR NOT NULL, block BIGINT NOT NULL, PRIMARY KEY (load, block));
        """,
    ),
    (
        "judgements of examples in review queues",
        """
        CREATE TABLE judgements (
            judgement BIGINT PRIMARY KEY, dataset VARCHAR NOT NULL, row_number BIGINT NOT NULL,
            queue VARCHAR NOT NULL, verdict VARCHAR NOT NULL, why VARCHAR NOT NULL, who VARCHAR NOT NULL,
            made_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')
        );
        """,
    ),
    (
        "the hash of each shard, as it was when its scores were taken in",
        """
        ALTER TABLE shards ADD COLUMN sha256 VARCHAR;
        """,
    ),
    (
        "what a run held out, told apart from what could not be scored in selections made before",
        """
        UPDATE outcomes SET gate = 'held out' FROM selections s, scores c
        WHERE outcomes.gate = 'unscorable' AND s.selection = outcomes.selection AND c.run = s.run AND c.pass = 'base'
            AND c.row_number = outcomes.row_number AND c.unscorable_reason = 'it is held out for a proof';
        """,
    ),
)
