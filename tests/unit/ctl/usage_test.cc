// Command lines that can't be meant: exit code 2, what is wrong, what there is, and whom to ask for more.
#include "fake_monitor.h"

namespace pgaf::ctl {
namespace {

std::string usage_error(const std::vector<std::string>& args) {
    const auto ran = Run{}(args);
    CHECK(ran.code == 2);
    CHECK(ran.out.empty());
    return ran.err;
}

TEST_CASE("A command that does not exist, or is missing, is answered with those that there are") {
    const std::string families = "show, perform, enable, disable, get, set, drop, version\nTry: pgafctl --help\n";
    CHECK(usage_error({}) == "pgafctl: a command is missing; there are: " + families);
    CHECK(usage_error({"nonsense"}) == "pgafctl: there is no 'nonsense'; there are: " + families);
    CHECK(usage_error({"", "x"}) == "pgafctl: there is no ''; there are: " + families);
    CHECK(usage_error({"--nonsense"}) == "pgafctl: there is no option --nonsense; the commands are: " + families);

    const std::string shows = "state, events, uri, settings, standby-names\nTry: pgafctl show --help\n";
    CHECK(usage_error({"show"}) == "pgafctl: a command is missing after 'pgafctl show'; there are: " + shows);
    CHECK(usage_error({"show", "nonsense"}) ==
          "pgafctl: there is no 'nonsense' after 'pgafctl show'; there are: " + shows);
    CHECK(usage_error({"-o", "json", "show", "nonsense", "more"}) ==
          "pgafctl: there is no 'nonsense' after 'pgafctl show'; there are: " + shows);

    CHECK(usage_error({"perform"}) ==
          "pgafctl: a command is missing after 'pgafctl perform'; "
          "there are: switchover, failover, promotion, rebuild\n"
          "Try: pgafctl perform --help\n");
    CHECK(usage_error({"get", "node", "colour"}) ==
          "pgafctl: there is no 'colour' after 'pgafctl get node'; there are: candidate-priority, replication-quorum\n"
          "Try: pgafctl get node --help\n");
    CHECK(usage_error({"drop", "everything"}) ==
          "pgafctl: there is no 'everything' after 'pgafctl drop'; there are: node\nTry: pgafctl drop --help\n");
}

TEST_CASE("What is wrong with a command's own words names that command") {
    CHECK(usage_error({"drop", "node"}) == "pgafctl: --name is required\nTry: pgafctl drop node --help\n");
    CHECK(usage_error({"show", "state", "x"}) ==
          "pgafctl: The following argument was not expected: x\nTry: pgafctl show state --help\n");
    CHECK_THAT(usage_error({"perform", "switchover", "--to"}),
               Catch::EndsWith("Try: pgafctl perform switchover --help\n"));
}

}  // namespace
}  // namespace pgaf::ctl
