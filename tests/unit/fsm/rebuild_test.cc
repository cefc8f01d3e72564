// R11 where two monitors have spoken, or one promise has followed another between two reports: what the rebuilt record
// holds of the rules that the last primary may have acknowledged commits under (R4, I2).
#include "monitor/fsm/rebuild.h"

#include <catch2/catch.hpp>

namespace pgaf::fsm {
namespace {

const IncarnationId a1{"a1"};
const SyncRule alone{};
const SyncRule one_of_both{1, {IncarnationId{"b1"}, IncarnationId{"c1"}}};
const SyncRule one_of_c{1, {IncarnationId{"c1"}}};

/// A goal of an epoch, a term and a monitor, from a record whose last primary is a, of epoch 1, under these rules.
Goal goal(const char* node, Epoch epoch, Term term, const char* monitor, std::vector<NamedRule> rules) {
    Goal g;
    g.stamp = {epoch, term, Version{1}, MonitorId{monitor}};
    g.node = NodeName{node};
    g.incarnation = IncarnationId{std::string(node) + "1"};
    g.role = Role::fence;
    g.digest.primary = NodeName{"a"};
    g.digest.primary_incarnation = a1;
    g.digest.primary_epoch = Epoch{1};
    g.digest.rules = std::move(rules);
    g.history = {{Timeline{1}, Epoch{1}, Lsn{}, Lsn{}}};
    return g;
}

/// It has promised that goal, and no sync rule that is newer than this.
Testimony testimony(Goal g, RuleId rule_promised = {}) {
    Testimony t{g.node, g.incarnation, g.stamp, rule_promised, {}, {}, Timeline{1}, false};
    t.goal = std::move(g);
    return t;
}

ClusterRecord record() {
    ClusterRecord r;
    r.monitor = MonitorId{"m1"};
    r.term = Term{10};
    r.epoch = r.primary_epoch = Epoch{1};
    r.primary = NodeName{"a"};
    r.primary_incarnation = a1;
    r.last_rule = RuleId{5};
    r.rules = {{RuleId{5}, one_of_both}};
    for (const char* name : {"a", "b", "c"}) {
        NodeRecord& n = r.nodes[NodeName{name}];
        n.name = NodeName{name};
        n.incarnation = IncarnationId{std::string(name) + "1"};
    }
    return r;
}

bool in_force(const ClusterRecord& r, const SyncRule& rule) {
    return std::any_of(r.rules.begin(), r.rules.end(), [&](const NamedRule& n) { return n.rule == rule; });
}

/// What the primary proves next is told from all that it may have been given.
bool newest_is_the_highest(const ClusterRecord& r) {
    return std::all_of(r.rules.begin(), r.rules.end() - 1,
                       [&](const NamedRule& n) { return n.id < r.rules.back().id; });
}

}  // namespace

TEST_CASE("R11: the last primary's own rules are in force, whichever monitor has the later epoch") {
    // m1, on a copied store, has begun an election that b promised; to m2 a has promised to go on alone.
    const Term of_m2 = GENERATE(Term{9}, Term{10}, Term{12});
    const ClusterRecord r =
        rebuild(record(), {testimony(goal("a", Epoch{1}, of_m2, "m2", {{RuleId{5}, alone}}), RuleId{5}),
                           testimony(goal("b", Epoch{2}, Term{10}, "m1", {{RuleId{4}, one_of_both}}))});
    CHECK(in_force(r, alone));
    CHECK(in_force(r, one_of_both));
    CHECK(newest_is_the_highest(r));
}

TEST_CASE("R11: one id of two monitors is two rules, and the newest gets another") {
    const ClusterRecord r =
        rebuild(record(), {testimony(goal("a", Epoch{1}, Term{10}, "m2", {{RuleId{5}, alone}}), RuleId{5}),
                           testimony(goal("b", Epoch{2}, Term{10}, "m1", {{RuleId{5}, one_of_both}}))});
    CHECK(in_force(r, alone));
    CHECK(r.rules.back().rule == one_of_both);
    CHECK(newest_is_the_highest(r));
}

TEST_CASE("R11: what this process has told the last primary stays in force until it is proved") {
    ClusterRecord old = record();
    old.rules.push_back({RuleId{6}, alone});
    old.last_rule = RuleId{6};
    old.lease_told = Millis{9000};
    old.nodes.at(NodeName{"a"}).goal = goal("a", Epoch{1}, Term{10}, "m1", old.rules);
    const std::vector<Testimony> said{
        testimony(goal("a", Epoch{1}, Term{9}, "m0", {{RuleId{5}, one_of_both}}), RuleId{5}),
        testimony(goal("b", Epoch{1}, Term{11}, "m2", {{RuleId{5}, one_of_both}}))};
    const ClusterRecord r = rebuild(old, said);
    CHECK(in_force(r, alone));
    CHECK(r.lease_told == Millis{9000});
    SECTION("what another process on this store has told it, its own promise tells") {
        old.nodes.at(NodeName{"a"}).goal.stamp.monitor = MonitorId{"m0"};
        CHECK_FALSE(in_force(rebuild(old, said), alone));
    }
}

TEST_CASE("R11: a rule that was promised and that nobody tells of counts as one without standbys") {
    const auto said = [](RuleId promised) {
        return std::vector<Testimony>{
            testimony(goal("a", Epoch{1}, Term{10}, "m1", {{RuleId{5}, one_of_both}}), promised)};
    };
    CHECK_FALSE(in_force(rebuild(record(), said(RuleId{5})), alone));
    const ClusterRecord r = rebuild(record(), said(RuleId{8}));
    CHECK(in_force(r, alone));
    // When the newest is proved it is the only one left, and the next report must not begin all this anew.
    CHECK(r.rules.back().rule == one_of_both);
    CHECK(r.rules.back().id > RuleId{8});
    CHECK(newest_is_the_highest(r));
    ClusterRecord confirmed = record();
    admit_unknown_rule(confirmed, said(RuleId{8}));
    CHECK(in_force(confirmed, alone));
    CHECK(confirmed.rules.back().id > RuleId{8});
}

TEST_CASE("R11: no stamp is given twice, though the process has made goals that nobody has promised") {
    const std::vector<Testimony> said{
        testimony(goal("a", Epoch{1}, Term{9}, "m0", {{RuleId{5}, one_of_both}}), RuleId{5})};
    ClusterRecord old = record();
    CHECK(rebuild(old, said).term == Term{10});
    Stamp& given = old.nodes[NodeName{"a"}].goal.stamp;
    given = {Epoch{1}, Term{10}, Version{2}, MonitorId{"m1"}};
    CHECK(rebuild(old, said).term == Term{11});
    // One of the process before is none of this term's.
    given.monitor = MonitorId{"m0"};
    CHECK(rebuild(old, said).term == Term{10});
}

TEST_CASE("R11: each process counts its commits as a life of its own") {
    ClusterRecord r = record();
    r.mark = {MonitorId{"m0"}, 7};
    r.nodes[NodeName{"a"}].said.promised.monitor = MonitorId{"m0"};
    r.earlier = {{MonitorId{"m-1"}, 3}};
    begin_life(r);
    CHECK(r.mark == StoreMark{MonitorId{"m1"}, 7});
    ++r.mark.commits;
    CHECK(knows(r, {MonitorId{"m1"}, 8}));
    CHECK(knows(r, {MonitorId{"m0"}, 7}));
    CHECK_FALSE(knows(r, {MonitorId{"m0"}, 8}));
    CHECK(knows(r, {MonitorId{"m-1"}, 3}));
    const ClusterRecord before = r;
    begin_life(r);
    CHECK(r == before);
    // Nobody remembers what was before a process that all have promised something to.
    for (auto& [name, n] : r.nodes) n.said.promised.monitor = MonitorId{"m1"};
    r.monitor = MonitorId{"m2"};
    begin_life(r);
    CHECK(r.earlier == std::vector{StoreMark{MonitorId{"m1"}, 8}});
}

TEST_CASE("R11: the history and the floor are those of whoever names the last primary") {
    const std::vector<HistoryEntry> two{{Timeline{1}, Epoch{1}, Lsn{}, Lsn{}},
                                        {Timeline{2}, Epoch{2}, std::nullopt, Lsn{0x100}}};
    const auto is_promoting_b = [&](const ClusterRecord& r) {
        CHECK(r.primary == NodeName{"b"});
        CHECK(r.phase == Phase::promoting);
        CHECK(r.history == two);
        CHECK(r.floor.lsn == Lsn{0x100});
    };
    SECTION("the record's own choice, that nobody has promised yet") {
        ClusterRecord old = record();
        old.epoch = old.primary_epoch = Epoch{2};
        old.primary = NodeName{"b"};
        old.primary_incarnation = IncarnationId{"b1"};
        old.rules = {{RuleId{6}, one_of_c}};
        old.history = two;
        old.floor = {Timeline{1}, Lsn{0x100}};
        is_promoting_b(
            rebuild(old, {testimony(goal("a", Epoch{2}, Term{10}, "m1", {{RuleId{5}, one_of_both}}), RuleId{5}),
                          testimony(goal("b", Epoch{2}, Term{10}, "m1", {{RuleId{5}, one_of_both}})),
                          testimony(goal("c", Epoch{2}, Term{10}, "m1", {{RuleId{5}, one_of_both}}))}));
    }
    SECTION("another monitor's choice, that only the chosen node has promised") {
        Goal chosen = goal("b", Epoch{2}, Term{5}, "m1", {{RuleId{6}, one_of_c}});
        chosen.role = Role::primary;
        chosen.digest.primary = NodeName{"b"};
        chosen.digest.primary_incarnation = IncarnationId{"b1"};
        chosen.digest.primary_epoch = Epoch{2};
        chosen.digest.floor = {Timeline{1}, Lsn{0x100}};
        chosen.history = two;
        is_promoting_b(rebuild(record(), {testimony(chosen, RuleId{6}),
                                          testimony(goal("c", Epoch{2}, Term{6}, "m2", {{RuleId{5}, one_of_both}}))}));
    }
}

}  // namespace pgaf::fsm
