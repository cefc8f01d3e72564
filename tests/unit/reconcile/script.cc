#include "script.h"

namespace pgaf::keeper::test {
namespace {

std::string rest_of(const std::string& command, const std::string& verb) {
    return command.size() > verb.size() ? command.substr(verb.size() + 1) : std::string{};
}

}  // namespace

void Script::look() {
    const FolderNews news = under_way_ ? FolderNews{} : look_at_folder(promise_, facts_);
    if (news.kind == FolderNews::Kind::made) promise_.has_folder = true;
    if (news.kind == FolderNews::Kind::replaced) {
        promise_ = new_incarnation(promise_, IncarnationId{"new" + std::to_string(++folders_)});
        run_.goal_received = false;
    }
    note_facts(run_, promise_, facts_);
}

std::string Script::show() {
    const IncarnationId before = promise_.incarnation;
    look();
    std::string text;
    if (promise_.incarnation != before) text += "new incarnation: " + promise_.incarnation.v + "\n";
    if (under_way_) {
        const std::string why = obsolete(*under_way_, promise_, run_, facts_);
        return text + "under way: " + show_step(*under_way_) + "\n" + (why.empty() ? "" : "cancel: " + why + "\n");
    }
    const Decision d = reconcile(promise_, run_, facts_);
    text += std::string(d.rule) + ": " + (d.step ? show_step(*d.step) : d.settled ? "settled" : "nothing") + "\n";
    if (!d.waiting.empty()) text += "waits for " + d.waiting + "\n";
    if (!d.problem.empty()) text += "problem: " + d.problem + "\n";
    const Report report = make_report(promise_, run_, facts_, {}, {});
    std::string said;
    if (report.fenced) said += " fenced";
    if (report.writable) said += " writable";
    if (!report.rule_applied.empty()) said += " rule_applied=" + std::to_string(report.rule_applied.v);
    if (!report.rule_promised.empty()) said += " rule_promised=" + std::to_string(report.rule_promised.v);
    if (!said.empty()) text += "reports" + said + "\n";
    if (shows_lease_ && needs_lease(promise_)) {
        text += "lease until " + std::to_string(lease_until(promise_, run_).v);
        if (const auto deadline = launcher_deadline(promise_, run_, facts_))
            text += ", launcher's deadline " + std::to_string(deadline->v);
        text += wants_mark(promise_, run_, facts_) ? ", wants a mark\n" : "\n";
    }
    if (!run_.self_fenced.empty()) text += "tells the monitor: " + run_.self_fenced + "\n";
    if (!run_.replay_resumed.empty()) text += "tells the monitor: " + run_.replay_resumed + "\n";
    if (facts_.leaving)
        text +=
            may_let_go(promise_, run_, facts_, acknowledged_ ? &*acknowledged_ : nullptr) ? "lets go\n" : "holds on\n";
    return text;
}

std::string Script::set_lease(const std::string& word) {
    const auto at = word.find('=');
    const std::string key = word.substr(0, at);
    const std::string value = at == std::string::npos ? "" : word.substr(at + 1);
    const auto ms = [&] { return Millis{std::stoll(value)}; };
    shows_lease_ = true;
    if (key == "now")
        run_.lease.now = ms();
    else if (key == "answered")
        note_answer(run_.lease, ms(), true);
    else if (key == "heard")
        note_answer(run_.lease, ms(), false);
    else if (key == "armed")
        run_.lease.armed = value == "none" ? std::nullopt : std::optional(ms());
    else if (key == "mark")
        note_mark(run_.lease, Lsn::parse(value).value_or(Lsn{}), run_.lease.now);
    else
        return "no such key: " + key;
    return {};
}

Script::Taken Script::take_goal() {
    const Verdict verdict = judge(promise_, goal_);
    if (!verdict.accepted) return {false, "refused: " + verdict.why + "\n"};
    note_goal(run_.lease, given_, goal_);
    given_ = goal_.stamp;
    promise_ = accept(promise_, goal_);
    run_.goal_received = true;
    return {true, verdict.news ? "" : "known\n"};
}

std::string Script::finish(bool ok, const std::string& why, bool cancelled) {
    std::optional<Step> step = under_way_;
    if (!step) {
        step = reconcile(promise_, run_, facts_).step;
        if (!step) return "no step to end\n";
        const Decision d = reconcile(promise_, run_, facts_);
        note_begin(run_, *step);
        note_self_fence(run_, d.rule, d.problem);
    }
    under_way_.reset();
    if (ok) {
        note_done(run_, *step);
        const IncarnationId before = promise_.incarnation;
        promise_ = after_step(promise_, *step);
        if (before != promise_.incarnation) run_.goal_received = false;
    } else {
        note_failed(run_, *step, why, cancelled);
    }
    return {};
}

std::string Script::run(const std::string& command) {
    const Words words = split(command);
    const std::string& verb = words.at(0);
    std::string text;
    const auto each = [&](std::size_t from, const auto& set) {
        for (std::size_t i = from; i < words.size(); ++i) {
            const std::string wrong = set(words[i]);
            if (!wrong.empty()) text += wrong + "\n";
        }
    };
    const auto set_fact = [&](const std::string& w) { return set_facts(facts_, w); };
    if (verb == "node") {
        *this = Script{};
        promise_.cluster = ClusterName{"default"};
        promise_.node = goal_.node = NodeName{words.at(1)};
        promise_.incarnation = IncarnationId{"a"};
        run_.boot = BootId{"boot1"};
        run_.next = IncarnationId{"next"};
        run_.monitor_in_reach = facts_.launcher_connected = true;
        each(2, [&](const std::string& w) { return set_promise(promise_, w); });
        goal_.incarnation = promise_.incarnation;
        return text;
    }
    if (verb == "goal") {
        each(1, [&](const std::string& w) { return set_goal(goal_, w); });
        const auto taken = take_goal();
        text += taken.said;
        if (!taken.accepted) return text;
    } else if (verb == "facts") {
        each(1, set_fact);
    } else if (verb == "begin") {
        under_way_ = reconcile(promise_, run_, facts_).step;
        if (under_way_) note_begin(run_, *under_way_);
    } else if (verb == "done") {
        text += finish(true, {}, false);
        each(1, set_fact);
    } else if (verb == "failed") {
        text += finish(false, rest_of(command, verb), false);
    } else if (verb == "cancelled") {
        text += finish(false, {}, true);
    } else if (verb == "session") {
        given_.reset();
        note_session(run_.lease);
    } else if (verb == "monitor") {
        run_.monitor_in_reach = words.at(1) == "back";
        run_.monitor_away = {};
        run_.monitor_refuses = words.at(1) == "refuses";
        if (run_.monitor_refuses)
            run_.monitor_away = Millis{60'000};
        else if (!run_.monitor_in_reach)
            run_.monitor_away = Millis{std::stoll(words.at(1).substr(5))};
    } else if (verb == "lease") {
        each(1, [&](const std::string& w) { return set_lease(w); });
    } else if (verb == "without-stream") {
        run_.without_stream = Millis{std::stoll(words.at(1))};
    } else if (verb == "acknowledged") {
        acknowledged_ = make_report(promise_, run_, facts_, {}, {});
    } else if (verb == "restart") {
        const Run old = run_;
        run_ = Run{};
        run_.boot = BootId{words.at(1).substr(5)};
        run_.next = old.next;
        run_.monitor_in_reach = old.monitor_in_reach;
        run_.lease.now = run_.lease.began = old.lease.now;
        acknowledged_.reset();
        given_.reset();
        under_way_.reset();
    } else {
        return "no such command: " + verb + "\n";
    }
    return text + show();
}

}  // namespace pgaf::keeper::test
