"""What the databases do, and what holds them up."""

from .parts import (CHOOSE_CLUSTER, CHOOSE_NODE, GREEN, NODE, ORANGE, RATE, RED, YELLOW, dashboard, graph, number, query, row,
                    table, thresholds)

NAME = "{{cluster}} {{node}}"


def per_second(metric, by="cluster, node", more=""):
    return f"sum by ({by}) (rate({metric}{{{NODE}{more}}}{RATE}))"


def overview():
    return [
        row("Load"),
        graph("Transactions", "Commits and rollbacks a second, of all databases.",
              query(per_second("pgaf_postgres_transactions_total", "cluster, node, result"), NAME + " {{result}}"), unit="ops"),
        graph("Rows", "Rows that statements returned, fetched by an index, inserted, updated and deleted, a second.",
              query(per_second("pgaf_postgres_rows_total", "operation"), "{{operation}}"), unit="rowsps"),
    ]


def sessions():
    return [
        row("Connections"),
        graph("Connections by state", "Sessions of clients, all chosen nodes together.",
              query(f"sum by (state) (pgaf_postgres_connections{{{NODE}}})", "{{state}}"), unit="none", stack=True),
        graph("Connections in use",
              "Share of what ordinary clients can have: max_connections without the reserved ones. The lines: the alerts.",
              query(f"node:pgaf_postgres_connections:ratio{{{NODE}}}", NAME), unit="percentunit", most=1,
              steps=thresholds(GREEN, (0.8, ORANGE), (0.95, RED))),
        graph("Sessions that wait for a lock", "Many of them for long: somebody holds a lock and does not let go.",
              query(f"max by (cluster, node) (pgaf_postgres_waiting_sessions{{{NODE}}})", NAME), unit="none"),
        graph("Longest transaction and query", "Vacuum can't clean up behind a transaction that stays open. The line: the alert.",
              query(f"max by (cluster, node) (pgaf_postgres_longest_transaction_seconds{{{NODE}}})", NAME + " transaction"),
              query(f"max by (cluster, node) (pgaf_postgres_longest_query_seconds{{{NODE}}})", NAME + " query"),
              unit="s", steps=thresholds(GREEN, (900, RED))),
        graph("Locks by mode", "Locks that are held or waited for, of all servers, as postgres-exporter sees them.",
              query("sum by (mode) (pgaf_locks)", "{{mode}}"), unit="none"),
        graph("Deadlocks and conflicts", "Deadlocks, and queries on standbys that were cancelled for replay, a second.",
              query(per_second("pgaf_postgres_deadlocks_total"), NAME + " deadlocks"),
              query(per_second("pgaf_postgres_conflicts_total"), NAME + " conflicts"), unit="ops"),
    ]


def statements():
    by = "cluster, node, database, user, queryid"
    name = "{{node}} {{database}} {{queryid}}"
    top = f'topk(10, {per_second("pgaf_postgres_statement_seconds_total", by)})'
    return [
        row("Statements (where pg_stat_statements is loaded)"),
        graph("Time by statement", "Seconds of each second that the ten most expensive statements take.", query(top, name),
              unit="s"),
        graph("Calls by statement", "Calls a second of the ten most frequent statements.",
              query(f'topk(10, {per_second("pgaf_postgres_statement_calls_total", by)})', name), unit="ops"),
        table("Statements with the most time", "Since the statistics were reset. The text: SELECT query FROM "
              "pg_stat_statements WHERE queryid = ...",
              query(f"topk(20, sum by ({by}) (pgaf_postgres_statement_seconds_total{{{NODE}}}))", instant=True),
              columns={"cluster": "cluster", "node": "node", "database": "database", "user": "user",
                       "queryid": "queryid", "Value": "time"}, unit="s"),
        graph("Time of one call", "Mean of five minutes, of the ten slowest statements. The line: the alert.",
              query(f"topk(10, statement:pgaf_postgres_seconds_per_call:rate5m{{{NODE}}})", name), unit="s",
              steps=thresholds(GREEN, (1, RED))),
    ]


def input_output():
    return [
        row("Cache, reads and writes"),
        graph("Cache hits", "Share of the blocks that were in shared_buffers, of five minutes. The line: the alert.",
              query(f"node:pgaf_postgres_cache_hits:ratio_rate5m{{{NODE}}}", NAME), unit="percentunit", most=1, least=None,
              steps=thresholds(RED, (0.9, GREEN))),
        graph("Blocks", "Found in shared_buffers, and read from the operating system, a second.",
              query(per_second("pgaf_postgres_blocks_hit_total"), NAME + " hit"),
              query(per_second("pgaf_postgres_blocks_read_total"), NAME + " read"), unit="ops"),
        graph("Time of reads and writes", "Seconds of each second that sessions wait for blocks. 0 without track_io_timing.",
              query(per_second("pgaf_postgres_block_read_seconds_total"), NAME + " read"),
              query(per_second("pgaf_postgres_block_write_seconds_total"), NAME + " write"), unit="s"),
        graph("Temporary files", "Bytes a second of sorts and hashes that work_mem has no room for.",
              query(per_second("pgaf_postgres_temp_bytes_total"), NAME), unit="Bps"),
    ]


def wal():
    return [
        row("WAL and checkpoints"),
        graph("WAL written", "Bytes a second.", query(per_second("pgaf_postgres_wal_bytes_total"), NAME), unit="Bps"),
        graph("WAL records and whole pages", "A second. Whole pages follow each checkpoint; many of them: checkpoints too often.",
              query(per_second("pgaf_postgres_wal_records_total"), NAME + " records"),
              query(per_second("pgaf_postgres_wal_full_page_images_total"), NAME + " whole pages"), unit="ops"),
        graph("WAL buffers full", "A second: times that a session had to write WAL itself, since wal_buffers was full.",
              query(per_second("pgaf_postgres_wal_buffers_full_total"), NAME), unit="ops"),
        graph("Size of pg_wal", "What WAL takes on the disk.",
              query(f"max by (cluster, node) (pgaf_postgres_wal_directory_bytes{{{NODE}}})", NAME), unit="bytes"),
        graph("Checkpoints", "In a quarter of an hour: by the clock, and because WAL or somebody requested it.",
              query(f"sum by (cluster, node, kind) (increase(pgaf_postgres_checkpoints_total{{{NODE}}}[15m]))",
                    NAME + " {{kind}}"), unit="none"),
        graph("Time of checkpoints", "Seconds of each second that writing and syncing take.",
              query(per_second("pgaf_postgres_checkpoint_write_seconds_total"), NAME + " write"),
              query(per_second("pgaf_postgres_checkpoint_sync_seconds_total"), NAME + " sync"), unit="s"),
        graph("Buffers written", "A second, by whom. Sessions themselves (backend): the background writer does not keep up.",
              query(per_second("pgaf_postgres_buffers_written_total", "by"), "{{by}}"), unit="ops", size=(24, 8)),
    ]


def tables():
    return [
        row("Databases and tables"),
        graph("Size of databases", "With indexes.",
              query(f"max by (cluster, database) (pgaf_postgres_database_size_bytes{{{NODE}}})", "{{cluster}} {{database}}"),
              unit="bytes"),
        graph("Transaction ids", "Age of the oldest transaction that is not frozen. At 2,000 million PostgreSQL takes no more "
              "writes. The line: the alert.",
              query("max by (server, database) (pgaf_database_transaction_age)", "{{server}} {{database}}"), unit="none",
              steps=thresholds(GREEN, (1e9, RED))),
        table("Largest tables", "With indexes and TOAST, as postgres-exporter sees them.",
              query("topk(20, max by (database, schema, table) (pgaf_table_size_bytes))", instant=True),
              columns={"database": "database", "schema": "schema", "table": "table", "Value": "size"}, unit="bytes"),
        graph("Dead rows", "Rows that vacuum has not removed yet, of the ten tables with the most.",
              query("topk(10, max by (database, schema, table) (pgaf_table_dead_rows))", "{{database}} {{schema}}.{{table}}"),
              unit="none"),
        graph("Scans of whole tables", "A second, of the ten tables with the most. Large tables among them want an index.",
              query(f"topk(10, sum by (database, schema, table) (rate(pgaf_table_seq_scans_total{RATE})))",
                    "{{database}} {{schema}}.{{table}}"), unit="ops"),
        graph("Scans by index", "A second, of the ten tables with the most.",
              query(f"topk(10, sum by (database, schema, table) (rate(pgaf_table_index_scans_total{RATE})))",
                    "{{database}} {{schema}}.{{table}}"), unit="ops"),
    ]


def figures():
    return [
        row("These figures"),
        number("Age of the figures", "Keepers collect them on their own schedule, every ten seconds; a scrape asks PostgreSQL "
               "for nothing.", query(f"max by (cluster, node) (pgaf_postgres_stats_age_seconds{{{NODE}}})", NAME), unit="s",
               steps=thresholds(GREEN, (30, YELLOW), (60, RED)), size=(12, 5)),
        number("PostgreSQL runs since", "When each server was started.",
               query(f"1000 * max by (cluster, node) (pgaf_postgres_start_time_seconds{{{NODE}}})", NAME), unit="dateTimeAsIso",
               size=(12, 5)),
    ]


def build():
    return dashboard(
        "pgaf-performance", "pgaf: performance", "What the databases do, and what holds them up.",
        [CHOOSE_CLUSTER, CHOOSE_NODE],
        overview() + sessions() + statements() + input_output() + wal() + tables() + figures())
