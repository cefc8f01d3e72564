// Makes the corpus of the targets that read messages, from the scripts of the heart (tests/unit/fsm/*.txt): what the
// monitor hears in each of them is one story, what it sends to node a are one keeper's goals. So the corpus is as broad
// as the scripts, and never older than the messages. The last of these goals, with the cluster that it names, is what
// a keeper knows whose endpoints are asked.
//   make_stories SCRIPTS_FOLDER STORIES_FOLDER GOALS_FOLDER ENDPOINTS_FOLDER
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "common/wire/convert.h"
#include "tests/fuzz/fuzz_session.pb.h"
#include "tests/unit/fsm/script.h"

namespace pgaf {
namespace {

namespace fs = std::filesystem;

/// The laboratory's short ids as the sixteen hex digits that the wire wants.
std::string wire_id(const std::string& id) {
    std::ostringstream hex;
    for (const unsigned char c : id) hex << std::hex << static_cast<int>(c);
    std::string text = hex.str();
    text.resize(16, '0');
    return id.empty() ? id : text;
}

template <class Message>
void fix_stamp(Message& stamp) {
    stamp.set_monitor(wire_id(stamp.monitor()));
}

class Recorder {
  public:
    void input(const fsm::Input& input, Millis now) {
        if (now.v > last_.v) story.add_events()->set_advance_ms(static_cast<std::uint32_t>(now.v - last_.v));
        last_ = std::max(last_, now);
        std::visit([this](const auto& one) { add(one); }, input);
    }
    void output(const fsm::Output& out) {
        for (const Goal& goal : out.goals) {
            if (goal.node.v != "a") continue;
            v1::Goal& to = *goals.add_goals();
            to = wire::to_wire(goal);
            to.set_incarnation(wire_id(to.incarnation()));
            fix_stamp(*to.mutable_stamp());
            for (auto& peer : *to.mutable_peers()) peer.set_incarnation(wire_id(peer.incarnation()));
            for (auto& member : *to.mutable_rule()->mutable_rule()->mutable_members()) member = wire_id(member);
            if (to.has_permit()) to.mutable_permit()->set_boot(wire_id(to.permit().boot()));
        }
    }

    fuzz::Story story;
    fuzz::Goals goals;

  private:
    void add(const fsm::SessionOpened& opened) {
        v1::Hello& to = *story.add_events()->mutable_hello();
        to = wire::to_wire(opened.hello);
        if (to.cluster().empty()) to.set_cluster("main");
        to.set_incarnation(wire_id(to.incarnation()));
        to.set_boot(wire_id(to.boot()));
        cluster_ = to.cluster();
    }
    void add(const fsm::SessionClosed& closed) {
        auto& event = *story.add_events();
        event.set_close(true);
        event.set_session(closed.node.v);
    }
    void add(const fsm::ReportReceived& received) {
        auto& event = *story.add_events();
        event.set_session(received.report.node.v);
        v1::Report& to = *event.mutable_report();
        to = wire::to_wire(received.report);
        if (to.cluster().empty()) to.set_cluster(cluster_);
        to.set_incarnation(wire_id(to.incarnation()));
        to.set_boot(wire_id(to.boot()));
        fix_stamp(*to.mutable_promised());
        for (auto& standby : *to.mutable_standbys()) standby.set_incarnation(wire_id(standby.incarnation()));
    }
    void add(const fsm::ProbeAnswered& answered) {
        auto& event = *story.add_events();
        event.set_session(answered.by.v);
        *event.mutable_probe() = wire::to_wire(answered.result);
    }
    void add(const fsm::Command& command) {
        auto& event = *story.add_events();
        if (command.kind == "set-cluster") {
            auto& set = *event.mutable_set_cluster();
            set.set_cluster(cluster_);
            set.set_setting(command.setting);
            set.set_value(command.value);
        } else if (command.kind == "set-node") {
            auto& set = *event.mutable_set_node();
            set.set_cluster(cluster_);
            set.set_node(command.node.v);
            if (command.candidate_priority) set.set_candidate_priority(*command.candidate_priority);
            if (command.replication_quorum) set.set_replication_quorum(*command.replication_quorum);
        } else {
            auto& operation = *event.mutable_operation();
            operation.set_cluster(cluster_);
            operation.set_kind(command.kind);
            operation.set_node(command.node.v);
            operation.set_allow_data_loss(command.allow_data_loss);
            operation.set_allow_failover(command.allow_failover);
            operation.set_force(command.force);
            operation.set_dry_run(command.dry_run);
        }
    }
    void add(const fsm::Tick&) {}

    std::string cluster_ = "main";
    Millis last_;
};

/// Longer ones make each try slow, and teach little that the shorter ones don't.
constexpr std::size_t longest = 60'000;

void save(const fs::path& path, const google::protobuf::Message& message) {
    if (message.ByteSizeLong() > longest) return;
    std::ofstream file(path, std::ios::binary);
    message.SerializeToOstream(&file);
}

/// Node a with the last of the goals, and the cluster as its peers have it.
fuzz::Asked asked_of(const fuzz::Goals& goals) {
    fuzz::Asked asked;
    asked.set_target("/replica?lag=16MB&replication_state=streaming&tag_zone=b");
    (*asked.mutable_tags())["zone"] = "b";
    if (goals.goals().empty()) return asked;
    const v1::Goal& last = *goals.goals().rbegin();
    *asked.mutable_goal() = last;
    asked.set_in_recovery(last.role() != "primary");
    v1::ClusterView& view = *asked.mutable_view();
    view.set_epoch(last.stamp().epoch());
    for (const v1::Peer& peer : last.peers()) {
        v1::ClusterMember& member = *view.add_members();
        member.set_node(peer.node());
        member.set_incarnation(peer.incarnation());
        member.set_host(peer.host());
        member.set_port(peer.port());
        member.set_in_sync_rule(true);
        member.set_streaming(true);
        member.set_state("secondary");
        member.set_lag_bytes(4096);
    }
    return asked;
}

std::string read(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace
}  // namespace pgaf

int main(int argc, char** argv) {
    using namespace pgaf;
    if (argc != 5) {
        std::cerr << "usage: make_stories SCRIPTS_FOLDER STORIES_FOLDER GOALS_FOLDER ENDPOINTS_FOLDER\n";
        return 2;
    }
    int made = 0;
    for (const auto& entry : fs::directory_iterator(argv[1])) {
        const auto name = entry.path().stem();
        if (entry.path().extension() != ".txt" || name == "README" || name == "CMakeLists") continue;
        Recorder recorder;
        lab::Script script;
        script.on_input = [&](const fsm::Input& input, Millis now) { recorder.input(input, now); };
        script.on_output = [&](const fsm::Output& out) { recorder.output(out); };
        for (const auto& block : lab::parse_script(read(entry.path()))) script.run(block.commands);
        save(fs::path(argv[2]) / name, recorder.story);
        save(fs::path(argv[3]) / name, recorder.goals);
        save(fs::path(argv[4]) / name, asked_of(recorder.goals));
        ++made;
    }
    if (made == 0) {
        std::cerr << "make_stories: no scripts in " << argv[1] << '\n';
        return 1;
    }
    return 0;
}
