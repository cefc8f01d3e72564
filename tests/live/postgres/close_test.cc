// Closing to clients (R8): in which order their sessions end.
#include <signal.h>

#include <atomic>
#include <thread>

#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

Sql client_of(const TestNode& node) {
    return Sql("host=127.0.0.1 port=" + std::to_string(node.port) + " user=app password=x dbname=postgres");
}

}  // namespace

TEST_CASE("who waits for a standby is ended last: its commit shows then, and nobody is there to see it (R8, I2)") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    a.ask("CREATE ROLE app LOGIN PASSWORD 'x'");
    a.ask("CREATE TABLE t AS SELECT 0 AS i; GRANT ALL ON t TO app");
    REQUIRE(cluster.perform(cluster[2], Stop{StopMode::immediate}));
    // The first of all, as the server counts its sessions.
    Sql waits = client_of(a);
    Sql reads = client_of(a);
    Sql rests = client_of(a);
    waits.send("INSERT INTO t VALUES (1)");
    const std::string waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid = " +
                                std::to_string(waits.backend());
    REQUIRE(eventually([&] { return a.ask(waiting) == "1"; }));
    // A reader that takes its time to end.
    REQUIRE(::kill(reads.backend(), SIGSTOP) == 0);

    std::atomic<bool> still_waits = false;
    std::atomic<bool> unseen = false;
    std::thread looks([&, rester = std::to_string(rests.backend())] {
        Sql own = a.sql();
        (void)eventually([&] { return own.ask("SELECT count(*) FROM pg_stat_activity WHERE pid = " + rester) == "0"; });
        // As long as a reader may be there.
        bool waits_on = true;
        for (int look = 0; look < 200; ++look) waits_on = waits_on && own.ask(waiting) == "1";
        still_waits = waits_on;
        unseen = own.ask("SELECT count(*) FROM t") == "1";
        ::kill(reads.backend(), SIGCONT);
    });
    const auto closed = cluster.perform(a, CloseToClients{cluster.layout(a)});
    looks.join();
    CHECK(still_waits);
    CHECK(unseen);
    REQUIRE(closed);
    CHECK(a.ask(waiting) == "0");
    CHECK_THROWS(waits.ask("SELECT 1"));
    CHECK_THROWS(reads.ask("SELECT 1"));
    CHECK_THROWS(client_of(a));
}

}  // namespace pgaf::test
