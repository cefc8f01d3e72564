// Closing to clients (R8): in which order their sessions end.
#include <signal.h>

#include <chrono>
#include <future>

#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

/// A primary whose commits wait for a standby that is not there.
class Alone {
  public:
    Alone() {
        for (int i = 1; i <= 2; ++i) {
            cluster_[i].config.parameters["max_prepared_transactions"] = "2";
            cluster_.restart_keeper(cluster_[i]);
            REQUIRE(cluster_.until(cluster_[i], [](const Facts& f) { return f.launcher_connected; }));
        }
        cluster_.bring_up_synchronous(1);
        a.ask("CREATE ROLE app LOGIN PASSWORD 'x'");
        a.ask("CREATE TABLE t AS SELECT 0 AS i; GRANT ALL ON t TO app");
        Sql prepares = client();
        prepares.ask("BEGIN");
        prepares.ask("INSERT INTO t VALUES (1)");
        prepares.ask("PREPARE TRANSACTION 'two'");
        REQUIRE(cluster_.perform(cluster_[2], Stop{StopMode::immediate}));
    }

    Sql client() {
        return Sql("host=127.0.0.1 port=" + std::to_string(a.port) + " user=app password=x dbname=postgres");
    }
    /// How many commits wait.
    static std::string waiting(Sql& own) {
        return own.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    }
    /// A commit, which then waits.
    Sql commit(const std::string& sql) {
        Sql session = client();
        session.send(sql);
        Sql own = a.sql();
        const std::string waits = "SELECT coalesce(min(wait_event), '') FROM pg_stat_activity WHERE pid = " +
                                  std::to_string(session.backend());
        REQUIRE(eventually([&] { return own.ask(waits) == "SyncRep"; }));
        return session;
    }
    Result<> close() { return cluster_.perform(a, CloseToClients{cluster_.layout(a)}); }

  private:
    Cluster cluster_{2};

  public:
    TestNode& a = cluster_[1];
};

/// Has it ended, in the server's own view?
bool gone(Sql& own, int backend) {
    return own.ask("SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(backend)) == "0";
}

/// The most rows that this session has seen before it was ended.
std::string most_seen(Sql reads) {
    std::string most;
    try {
        for (;;) most = std::max(most, reads.ask("SELECT count(*) FROM t"));
    } catch (const std::runtime_error&) {
        return most;
    }
}

}  // namespace

TEST_CASE("who waits for a standby is ended last: its commit shows then, and nobody is there to see it (R8, I2)") {
    Alone alone;
    TestNode& a = alone.a;
    // As the server counts its sessions, the waiting ones are the first.
    Sql waits = alone.commit("INSERT INTO t VALUES (2)");
    Sql waits_without_xid = alone.commit("COMMIT PREPARED 'two'");
    // Its next word may be a question, also when it has written. It takes its time to end.
    const bool has_written = GENERATE(false, true);
    CAPTURE(has_written);
    Sql idle = alone.client();
    idle.ask("BEGIN");
    idle.ask(has_written ? "UPDATE t SET i = 3" : "SELECT count(*) FROM t");
    REQUIRE(::kill(idle.backend(), SIGSTOP) == 0);
    Sql reads = alone.client();
    const int reader = reads.backend();
    auto seen = std::async(std::launch::async, most_seen, std::move(reads));

    // A look later than this, on a busy machine, says nothing: a reader is waited for no longer.
    const auto waited_for = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    auto looks = std::async(std::launch::async, [&] {
        Sql own = a.sql();
        (void)eventually([&] { return gone(own, reader); });
        bool in_order = true;
        for (int look = 0; look < 20; ++look) {
            const bool unseen = Alone::waiting(own) == "2" && own.ask("SELECT count(*) FROM t") == "1";
            in_order = in_order && (unseen || std::chrono::steady_clock::now() > waited_for);
        }
        ::kill(idle.backend(), SIGCONT);
        return in_order;
    });
    const auto closed = alone.close();
    CHECK(looks.get());
    REQUIRE(closed);
    CHECK(seen.get() == "1");
    // What nobody had seen is there from now on.
    CHECK(a.ask("SELECT string_agg(i::text, ' ' ORDER BY i) FROM t") == "0 1 2");
    for (Sql* session : {&waits, &waits_without_xid, &idle}) CHECK_THROWS(session->ask("SELECT 1"));
    CHECK_THROWS(alone.client());
}

TEST_CASE("a reader that does not end keeps nobody else from being ended (R8, I7)") {
    Alone alone;
    Sql waits = alone.commit("INSERT INTO t VALUES (2)");
    Sql reads = alone.client();
    REQUIRE(::kill(reads.backend(), SIGSTOP) == 0);
    auto looks = std::async(std::launch::async, [&] {
        Sql own = alone.a.sql();
        const bool ended = eventually([&] { return gone(own, waits.backend()); }, 4000);
        ::kill(reads.backend(), SIGCONT);
        return ended;
    });
    const auto closed = alone.close();
    CHECK(looks.get());
    CHECK(closed);
    CHECK_THROWS(reads.ask("SELECT 1"));
}

}  // namespace pgaf::test
