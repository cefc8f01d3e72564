// Commands of scripts. See tests/unit/fsm/README.txt for what each does.
#include "tests/unit/fsm/script.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace pgaf::lab {
namespace {

bool blank(const std::string& line) {
    return line.find_first_not_of(" \t") == std::string::npos;
}

/// The value of "name=value" among the words; `otherwise` when it is not there.
std::string option(const Script::Words& words, const std::string& name, const std::string& otherwise) {
    for (const std::string& w : words)
        if (w.starts_with(name + "=")) return w.substr(name.size() + 1);
    return otherwise;
}

bool has(const Script::Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::uint64_t number(const std::string& text) {
    return std::stoull(text);
}

}  // namespace

std::vector<Block> parse_script(const std::string& text) {
    std::vector<Block> blocks;
    Block block;
    bool expecting = false;
    std::size_t number = 0;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (expecting && !blank(line)) {
            block.expected.push_back(line);
        } else if (expecting) {
            blocks.push_back(std::exchange(block, {}));
            expecting = false;
        } else if (line == "----") {
            expecting = true;
        } else if (block.commands.empty() && (blank(line) || line.starts_with("#"))) {
            block.before.push_back(line);
        } else if (!line.starts_with("#")) {
            if (block.commands.empty()) block.line = number;
            block.commands.push_back(line);
        }
    }
    if (!block.commands.empty() || !block.before.empty()) blocks.push_back(block);
    return blocks;
}

std::string print_script(const std::vector<Block>& blocks) {
    std::string text;
    for (const Block& block : blocks) {
        for (const std::string& line : block.before) text += line + "\n";
        if (block.commands.empty()) continue;
        for (const std::string& line : block.commands) text += line + "\n";
        text += "----\n";
        for (const std::string& line : block.expected) text += line + "\n";
        if (&block != &blocks.back()) text += "\n";
    }
    return text;
}

Script::Script() {
    lab_ = std::make_unique<Lab>(fsm::Settings{});
    listen();
}

void Script::listen() {
    lab_->say = [this](const std::string& line) { note(line); };
    lab_->on_input = [this](const fsm::Input& input, Millis now) {
        if (on_input) on_input(input, now);
    };
    lab_->on_output = [this](const fsm::Output& out) {
        if (on_output) on_output(out);
        for (const std::string& line : printer_.lines(out, lab_->heart->record())) note(line);
    };
}

void Script::note(const std::string& line) {
    if (quiet_ && !line.starts_with("   VIOLATION")) return;
    if (lab_->now != noted_) lines_.push_back("   +" + fsm::seconds(lab_->now - began_));
    noted_ = lab_->now;
    lines_.push_back(line);
}

Node& Script::node(const std::string& name) {
    const auto found = lab_->nodes.find(NodeName{name});
    if (found == lab_->nodes.end()) throw std::runtime_error("no node is called " + name);
    return found->second;
}

std::vector<std::string> Script::run(const std::vector<std::string>& commands) {
    lines_.clear();
    for (const std::string& text : commands) {
        const std::size_t before = lines_.size();
        quiet_ = text.starts_with("quiet ");
        began_ = noted_ = lab_->now;
        command(quiet_ ? text.substr(6) : text);
        if (commands.size() > 1 && lines_.size() > before)
            lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(before), "> " + text);
    }
    return lines_;
}

void Script::command(const std::string& text) {
    std::istringstream in(text);
    Words words;
    for (std::string w; in >> w;) words.push_back(w);
    if (cluster_command(words) || time_command(words) || machine_command(words) || server_command(words) ||
        report_command(words) || monitor_command(words))
        return;
    throw std::runtime_error("no command: " + text);
}

// ---- the cluster ----

void Script::declare(const Words& words) {
    fsm::Settings settings;
    if (const std::string nss = option(words, "nss", ""); !nss.empty())
        settings.number_sync_standbys = static_cast<std::uint32_t>(number(nss));
    settings.failover_limit = static_cast<std::uint32_t>(number(option(words, "failover-limit", "5")));
    settings.asynchronous = option(words, "asynchronous", "no") == "yes";
    if (const std::string lag = option(words, "maximum-lag", ""); !lag.empty())
        settings.maximum_lag_on_failover = number(lag);
    lab_ = std::make_unique<Lab>(settings);
    printer_ = {};
    written_.clear();
    listen();
    lab_->start_monitor();
    noted_ = began_ = lab_->now;
}

void Script::add_nodes(const Words& words, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < std::min(last, words.size()); ++i)
        if (words[i].find('=') == std::string::npos) lab_->add(NodeName{words[i]}, 50, true, {});
}

void Script::formed() {
    for (int i = 0; i < 60; ++i) {
        lab_->pass(Millis{500}, true);
        if (fsm::summarize(*lab_->heart, lab_->now).healthy) return;
    }
    note("   not healthy after 30 s");
}

bool Script::cluster_command(const Words& words) {
    const std::string& verb = words.front();
    if (verb == "cluster") {
        declare(words);
        add_nodes(words, 1, words.size());
    } else if (verb == "formed") {
        const bool quiet = std::exchange(quiet_, true);
        declare(words);
        // The first one begins; the others find a cluster.
        add_nodes(words, 1, 2);
        lab_->pass(Millis{500}, true);
        add_nodes(words, 2, words.size());
        formed();
        quiet_ = quiet;
        began_ = noted_ = lab_->now;
        show({});
    } else if (verb == "add") {
        Node& n = lab_->add(NodeName{words.at(1)}, static_cast<std::uint32_t>(number(option(words, "priority", "50"))),
                            option(words, "quorum", "yes") == "yes", SystemId{option(words, "system", "")});
        if (const std::string epoch = option(words, "promised", ""); !epoch.empty()) {
            n.state.promised = Stamp{Epoch{number(epoch)}, Term{9}, Version{5}, MonitorId{"another"}};
            Goal goal;
            goal.stamp = n.state.promised;
            goal.incarnation = IncarnationId{"another"};
            goal.system_id = SystemId{"9"};
            n.state.goal = goal;
        }
    } else if (verb == "show")
        show(words);
    else if (verb == "command")
        operate(words);
    else
        return false;
    return true;
}

void Script::operate(const Words& words) {
    fsm::Command c;
    c.id = ++commands_;
    c.kind = words.at(1);
    const std::size_t first = c.kind == "set-cluster" ? words.size() : 2;
    for (std::size_t i = first; i < words.size(); ++i)
        if (words[i].find('=') == std::string::npos && !words[i].starts_with("--")) c.node = NodeName{words[i]};
    if (c.kind == "set-cluster") {
        c.setting = words.at(2);
        c.value = words.size() > 3 ? words[3] : "";
    }
    c.allow_data_loss = has(words, "--allow-data-loss");
    c.allow_failover = has(words, "--allow-failover");
    c.force = has(words, "--force");
    c.dry_run = has(words, "--dry-run");
    if (const std::string p = option(words, "priority", ""); !p.empty())
        c.candidate_priority = static_cast<std::uint32_t>(number(p));
    if (const std::string q = option(words, "quorum", ""); !q.empty()) c.replication_quorum = q == "yes";
    lab_->command(c);
}

void Script::show(const Words& words) {
    const Heart& heart = *lab_->heart;
    if (words.size() < 2 || words[1] == "state")
        for (const std::string& line : Printer::summary(heart, lab_->now)) note(line);
    if (words.size() < 2 || words[1] == "record")
        for (const std::string& line : Printer::record(heart)) note(line);
}

}  // namespace pgaf::lab
