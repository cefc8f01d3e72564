// Runs a script of facts and goals against the reconciler, and writes down what it decides. A script is a text file of
// blocks: commands, then a line "----", then the output that is expected of them. Lines that begin with # are comments.
//
//   node NAME KEY=VALUE...      another world: this node, nothing promised, nothing known (keys of Promise)
//   facts KEY=VALUE...          the next look at PostgreSQL (keys of Facts; what is not named stays as it was)
//   goal KEY=VALUE...           a goal arrives (keys of Goal; what is not named stays as in the goal before)
//   begin                       the step decided on is under way from now on
//   done KEY=VALUE...           that step (or, without begin, the one decided on) has ended well, with these facts
//   failed WHY                  it has failed
//   cancelled                   it was broken off because it was obsolete
//   monitor away=MS | back      how long the monitor has been out of reach
//   session                     a session with the monitor begins
//   lease KEY=VALUE...          the clock (now=MS) and what carries a lease: answered=MS (heard=MS: a report of then is
//                               answered, to no primary), mark=LSN (written now), armed=MS|none; from then on what is
//                               left of it is shown
//   without-stream MS           how long a standby has run without streaming
//   acknowledged                the monitor has acknowledged a report on the present facts
//   restart boot=ID             the keeper is started again: only the promise is left
//
// Short forms: at=EPOCH/TERM/VERSION[@MONITOR]; peers=node1:a,node2:b; standbys=b@0/5000,c@0/4000;
// history=1,2@0/3000,3>0/4000 (fork known, or only
// its floor); rule=ID:K(a,b); permit=BOOT/EXITS; forks=1@0/3000; histories=2,3; receiver=node1|none; slots=node1,node2.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keeper/reconcile/reconcile.h"
#include "keeper/reconcile/report.h"

namespace pgaf::keeper::test {

class Script {
  public:
    /// Runs one command and returns what it prints, line by line.
    std::string run(const std::string& command);

  private:
    std::string show();
    std::string finish(bool ok, const std::string& why, bool cancelled);
    struct Taken {
        bool accepted = false;
        std::string said;
    };
    Taken take_goal();
    void look();
    std::string set_lease(const std::string& word);

    Promise promise_;
    Run run_;
    Facts facts_;
    Goal goal_;
    /// The newest goal of this session.
    std::optional<Stamp> given_;
    std::optional<Step> under_way_;
    std::optional<Report> acknowledged_;
    int folders_ = 0;
    bool shows_lease_ = false;
};

using Words = std::vector<std::string>;
/// Splits at blanks; "..." keeps a value together.
Words split(const std::string& line);
/// Set one key=value; a text that says what is wrong, or empty.
std::string set_goal(Goal& goal, const std::string& word);
std::string set_facts(Facts& facts, const std::string& word);
std::string set_promise(Promise& promise, const std::string& word);
std::string show_step(const Step& step);

}  // namespace pgaf::keeper::test
