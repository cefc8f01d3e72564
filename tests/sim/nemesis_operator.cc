#include "tests/sim/nemesis_operator.h"

#include "tests/sim/faults.h"
#include "tests/sim/monitor_ops.h"

namespace pgaf::sim {
namespace {

fsm::Command setting(const char* name, std::string value) {
    fsm::Command c;
    c.kind = "set-cluster";
    c.setting = name;
    c.value = std::move(value);
    return c;
}

/// No shorter than the settings permit, and longer than any outage.
std::string some_lease(const World& w, const Act& act) {
    const fsm::Settings& s = w.decided ? w.decided->settings : w.options->settings;
    const std::uint32_t least = s.node_timeout_ms + 2 * s.heartbeat_ms;
    return std::to_string(act.other % 3 == 0 ? least : least + act.other % 8000);
}

/// Also such as are refused beside the others (settings are validated together).
fsm::Command some_timing(const Act& act) {
    constexpr std::uint32_t heartbeats[] = {100, 250, 500, 1000};
    constexpr std::uint32_t timeouts[] = {700, 1500, 2000, 3000, 5000};
    if (act.other % 2 == 0) return setting("heartbeat-ms", std::to_string(heartbeats[act.other / 2 % 4]));
    return setting("node-timeout-ms", std::to_string(timeouts[act.other / 2 % 5]));
}

fsm::Command command(const char* kind, NodeIx node = nobody) {
    fsm::Command c;
    c.kind = kind;
    if (node != nobody) c.node = name_of(node);
    return c;
}

/// By the book an operator waits until the node is gone; not everybody does.
void add_again(World& w, const Act& act) {
    const NodeIx n = act.node;
    const auto& heart = w.monitor->heart;
    const bool gone = heart && !heart->record().nodes.contains(name_of(n));
    if (!gone && act.other / 4 % 3 != 0) return;
    const bool old_folder = act.other / 16 % 2 == 0 && act.before && has_data_elsewhere(w, n);
    if (old_folder) return bring_back(w, n, *act.before);
    lose_state_file(w, n);
}

}  // namespace

void change_rule(World& w, std::uint32_t number) {
    give_command(w, setting("number-sync-standbys", number % 4 == 3 ? "auto" : std::to_string(number % 3)));
}

void operate(World& w, const Act& act) {
    fsm::Command c;
    switch (act.harm) {
        case Harm::switchover:
            return give_command(w, command("switchover", act.other % 2 == 0 ? act.peer : nobody));
        case Harm::failover:
            return give_command(w, command("failover", act.other % 2 == 0 ? act.peer : nobody));
        case Harm::maintenance:
            c = command("enable-maintenance", act.node);
            c.allow_failover = c.force = act.other % 2 == 0;
            return give_command(w, c);
        case Harm::drop:
        case Harm::add_again:
            c = command("drop-node", act.node);
            c.force = act.other % 4 == 0;
            return give_command(w, c);
        case Harm::sync_standbys:
            return change_rule(w, act.other);
        case Harm::priority:
            c = command("set-node", act.node);
            c.candidate_priority = act.other % 3 * 50;
            return give_command(w, c);
        case Harm::quorum:
            c = command("set-node", act.node);
            c.replication_quorum = act.other % 2 == 0;
            return give_command(w, c);
        case Harm::lease:
            return give_command(w, setting("lease-ms", some_lease(w, act)));
        case Harm::timing:
            return give_command(w, some_timing(act));
        case Harm::asynchronous:
            return give_command(w, setting("asynchronous", act.other % 2 == 0 ? "on" : "off"));
        default:
            return;
    }
}

void stop_operating(World& w, const Act& act) {
    if (act.harm == Harm::add_again) add_again(w, act);
    if (act.harm == Harm::maintenance) give_command(w, command("disable-maintenance", act.node));
    if (act.harm == Harm::asynchronous)
        give_command(w, setting("asynchronous", w.options->settings.asynchronous ? "on" : "off"));
}

}  // namespace pgaf::sim
