// Commands of scripts that make things happen: time, machines, servers, messages, the monitor.
#include <algorithm>
#include <stdexcept>

#include "tests/unit/fsm/script.h"

namespace pgaf::lab {
namespace {

Millis millis(const std::string& text) {
    return Millis{static_cast<std::int64_t>(std::stoull(text))};
}

}  // namespace

bool Script::time_command(const Words& words) {
    const std::string& verb = words.front();
    if (verb == "settle")
        lab_->settle();
    else if (verb == "wait")
        lab_->pass(millis(words.at(1)), false);
    else if (verb == "run")
        lab_->pass(millis(words.at(1)), true);
    else if (verb == "obey") {
        for (std::size_t i = 1; i < words.size(); ++i) {
            lab_->connect(node(words[i]));
            lab_->obey(node(words[i]));
        }
    } else
        return false;
    return true;
}

bool Script::machine_command(const Words& words) {
    const std::string& verb = words.front();
    if (verb == "cut" || verb == "heal") {
        lab_->cut(words.at(1), words.at(2), verb == "cut");
        return true;
    }
    static const std::map<std::string, void (*)(Lab&, Node&)> verbs{
        {"boot", [](Lab& lab, Node& n) { lab.boot(n); }},
        {"kill", [](Lab& lab, Node& n) { lab.kill(n); }},
        {"unplug", [](Lab& lab, Node& n) { lab.unplug(n); }},
        {"freeze", [](Lab&, Node& n) { n.frozen = true; }},
        {"thaw", [](Lab&, Node& n) { n.frozen = false; }},
        {"kill-keeper", [](Lab& lab, Node& n) { lab.kill_keeper(n); }},
        {"start-keeper", [](Lab& lab, Node& n) { lab.start_keeper(n); }},
        {"act", [](Lab& lab, Node& n) { lab.receive_goals(n), lab.act(n), lab.pump(); }},
        {"promote-by-hand", [](Lab& lab, Node& n) { lab.promote_by_hand(n); }},
        {"lose-launcher", [](Lab& lab, Node& n) { n.blind = true, lab.exit_server(n), lab.report(n); }},
        {"start-launcher", [](Lab& lab, Node& n) { n.blind = false, lab.report(n); }},
        {"replaying", [](Lab& lab, Node& n) { n.replaying = true, lab.report(n); }},
        {"broken", [](Lab&, Node& n) { n.broken = true; }},
        {"newer", [](Lab&, Node& n) { n.folder.fork_to(Timeline{n.folder.timeline.v + 1}); }},
        {"past-fork", [](Lab& lab, Node& n) { n.past_fork = true, n.upstream = lab.heart->record().primary; }},
        {"slotless", [](Lab&, Node& n) { n.slotless = true; }},
        {"disk-fails", [](Lab& lab, Node& n) { n.disk_fails = true, lab.report(n); }},
        {"disk-hangs", [](Lab& lab, Node& n) { n.disk_hangs = true, lab.report(n); }},
        {"disk-slow", [](Lab&, Node& n) { n.disk_slow = true; }},
        {"disk-mended", [](Lab& lab, Node& n) { n.disk_fails = n.disk_hangs = n.disk_slow = false, lab.report(n); }},
        {"unreadable", [](Lab&, Node& n) { n.unreadable = true; }},
        {"readable", [](Lab& lab, Node& n) { n.unreadable = false, lab.report(n); }},
        {"stuck", [](Lab& lab, Node& n) { n.stuck = true, lab.report(n); }},
        {"close", [](Lab& lab, Node& n) { n.held = true, lab.close_session(n); }},
        {"open", [](Lab& lab, Node& n) { n.held = false, lab.connect(n); }},
        {"leave", [](Lab& lab, Node& n) { n.leaving = true, lab.report(n); }},
        {"wipe", [](Lab& lab, Node& n) { lab.kill(n), lab.wipe(n); }},
        {"lose-state", [](Lab& lab, Node& n) { lab.kill(n), lab.lose_state(n); }},
    };
    const auto found = verbs.find(verb);
    if (found == verbs.end()) return false;
    for (std::size_t i = 1; i < words.size(); ++i) found->second(*lab_, node(words[i]));
    return true;
}

bool Script::server_command(const Words& words) {
    const std::string& verb = words.front();
    if (verb == "exit") {
        lab_->exit_server(node(words.at(1)));
        lab_->report(node(words[1]));
    } else if (verb == "flush-part") {
        lab_->flush_part(node(words.at(1)), std::stoull(words.at(2)));
    } else if (verb == "write") {
        Node& n = node(words.at(1));
        const std::uint64_t record = lab_->write(n, std::stoull(words.at(2)));
        if (record) written_[n.name].push_back(record);
        note(!record ? "   " + n.name.v + " takes no writes"
                     : "   " + n.name.v + " " + n.folder.complete().text() +
                           (lab_->is_acknowledged(record) ? " acknowledged" : " waits"));
    } else if (verb == "tear") {
        std::map<NodeName, std::uint64_t> bytes;
        for (std::size_t i = 2; i < words.size(); ++i) {
            const auto equals = words[i].find('=');
            bytes[NodeName{words[i].substr(0, equals)}] = std::stoull(words[i].substr(equals + 1));
        }
        lab_->tear(node(words.at(1)), bytes);
        lab_->report(node(words[1]));
    } else if (verb == "lag" || verb == "catchup") {
        node(words.at(1)).lagging = verb == "lag";
        lab_->pump();
    } else if (verb == "written") {
        // What became of the commits that a server took.
        Node& n = node(words.at(1));
        const auto& all = written_[n.name];
        const auto acknowledged =
            std::count_if(all.begin(), all.end(), [&](std::uint64_t r) { return lab_->is_acknowledged(r); });
        note("   " + n.name.v + " took " + std::to_string(all.size()) + ", acknowledged " +
             std::to_string(acknowledged));
    } else
        return false;
    return true;
}

bool Script::report_command(const Words& words) {
    const std::string& verb = words.front();
    if (verb == "keep")
        kept_reports_[NodeName{words.at(1)}] = lab_->report_of(node(words[1]));
    else if (verb == "keep-goal")
        kept_goals_[NodeName{words.at(1)}] = node(words[1]).inbox.back();
    else if (verb == "late-goal") {
        Node& n = node(words.at(1));
        const std::deque<Goal> waiting = std::exchange(n.inbox, {kept_goals_.at(n.name)});
        n.told = false;
        lab_->obey(n);
        n.inbox.insert(n.inbox.begin(), waiting.begin(), waiting.end());
    } else if (verb == "half-promoted")
        node(words.at(1)).histories.insert(Timeline{static_cast<std::uint32_t>(std::stoul(words.at(2)))});
    else if (verb == "copy") {
        // A machine is cloned, with everything on its disk.
        Node& to = node(words.at(2));
        lab_->kill(to);
        to.folder = node(words[1]).folder;
        to.state = node(words[1]).state;
    } else if (verb == "replay") {
        Report r = kept_reports_.at(NodeName{words.at(1)});
        // The newest number, unless the script wants it as old as it is.
        r.seq = words.size() > 2 && words[2] == "late" ? 1 : ++node(words[1]).seq;
        if (words.size() > 2 && words[2] == "closed") r.writable = false, r.standbys.clear();
        if (words.size() > 2 && words[2] == "session") {
            Hello hello = lab_->hello_of(node(words[1]));
            hello.boot = r.boot;
            lab_->step(fsm::SessionOpened{hello});
        }
        lab_->step(fsm::ReportReceived{r});
    } else if (verb == "rebuilt" || verb == "self-fenced" || verb == "resumed") {
        Report r = lab_->report_of(node(words.at(1)));
        r.seq = ++node(words[1]).seq;
        std::string& text = verb == "rebuilt" ? r.rebuilt : verb == "resumed" ? r.replay_resumed : r.self_fenced;
        for (std::size_t i = 2; i < words.size(); ++i) text += (i > 2 ? " " : "") + words[i];
        lab_->step(fsm::ReportReceived{r});
    } else if (verb == "snapshot")
        snapshots_[NodeName{words.at(1)}] = node(words[1]);
    else if (verb == "putback") {
        const Node& old = snapshots_.at(NodeName{words.at(1)});
        Node& n = node(words[1]);
        lab_->kill(n);
        n.folder = old.folder;
        n.folder.clean = false;
        n.state = old.state;
    } else
        return false;
    return true;
}

bool Script::monitor_command(const Words& words) {
    const std::string& verb = words.front();
    if (verb == "restart-monitor" || verb == "start-monitor")
        lab_->start_monitor();
    else if (verb == "stop-monitor")
        lab_->stop_monitor();
    else if (verb == "backup-store") {
        backup_ = lab_->stored;
        backup_term_ = lab_->term();
    } else if (verb == "restore-store" || verb == "lose-store") {
        const bool lost = verb == "lose-store";
        const bool unnoticed = words.size() > 1 && words[1] == "unnoticed";
        const char* doubt = lost ? "the store is empty, and there was another one before"
                                 : "the store is older than the file beside it";
        lab_->replace_store(lost ? lab_->new_record() : backup_.value(), lost ? Term{} : backup_term_,
                            unnoticed ? "" : doubt);
    } else
        return false;
    return true;
}

}  // namespace pgaf::lab
