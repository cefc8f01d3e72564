#include "keeper/service/loop.h"

#include <time.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "keeper/service/loop_impl.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;

/// For so long after something has happened PostgreSQL is looked at this often: standbys connect and catch up, and no
/// event tells of it.
constexpr Millis restless{10'000};
constexpr Millis restless_look{100};
/// Peers whose access or slots could not be made are tried again after this.
constexpr Millis peers_again{5000};
/// How long the loop's parts get to end.
constexpr Millis end_limit{5000};

Millis operator+(Millis a, Millis b) {
    return Millis{a.v + b.v};
}
Millis operator-(Millis a, Millis b) {
    return Millis{a.v - b.v};
}

}  // namespace

Millis boot_time() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return Millis{static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000};
}

Loop::Impl::Impl(asio::any_io_executor on, PostgresControl& c, Link& l, const StateFile& f, LoopOptions o)
    : strand(on),
      control(c),
      link(l),
      file(f),
      options(std::move(o)),
      log(options.log),
      look_bell(on),
      looked_bell(on),
      goal_bell(on),
      heartbeat(options.heartbeat),
      pulse_bell(on),
      end_bell(on) {
    run.boot = BootId{random_id()};
    run.next = IncarnationId{random_id()};
    run.node_timeout = options.node_timeout;
    progress_at = time_passed_at = streamed_at = run.lease.now = run.lease.began = options.clock();
}

/// Starts a part of the loop; stop() waits for its end. An exception is a broken program and ends the process.
void Loop::Impl::launch(Async<void> work) {
    ++at_work;
    asio::co_spawn(strand, std::move(work), [self = shared_from_this()](std::exception_ptr broken) {
        --self->at_work;
        self->end_bell.ring();
        if (broken) std::rethrow_exception(broken);
    });
}

// ---- looking
// ----------------------------------------------------------------------------------------------------------

Async<void> Loop::Impl::look_for_ever() {
    while (!stopping) {
        // A ring during the look makes another one.
        const std::uint64_t rings = look_bell.rings();
        const std::uint64_t ended_before = steps_ended;
        const std::uint64_t number = ++look_number;
        Facts seen;
        const bool mark = std::exchange(mark_due, false);
        const Millis began = options.clock();
        try {
            seen = co_await asio::co_spawn(strand, control.observe(mark),
                                           asio::bind_cancellation_slot(cancel_look.slot(), asio::use_awaitable));
        } catch (const boost::system::system_error& stopped) {
            if (!stopping) throw;
        }
        progress_at = options.clock();
        if (stopping) break;
        note_mark(run.lease, seen.lease_mark, began);
        // Begun before a step's end: it may show what was before the step.
        if (ended_before != steps_ended) continue;
        looked = number;
        took(std::move(seen));
        looked_bell.ring();
        if (facts.end_pending) continue;
        co_await look_bell.wait(rings, next_look());
    }
}

Async<Facts> Loop::Impl::fresh_facts(Millis limit) {
    const std::uint64_t wanted = look_number + 1;
    const Millis until = options.clock() + limit;
    look_bell.ring();
    while (looked < wanted && options.clock() < until && !stopping)
        co_await looked_bell.wait(looked_bell.rings(), until - options.clock());
    co_return facts;
}

Millis Loop::Impl::next_look() const {
    Millis wait = options.clock() < restless_until ? std::min(heartbeat, restless_look) : heartbeat;
    // A step that is to be tried again does not wait for the heartbeat.
    if (!failed_key.empty() && retry_at > options.clock()) wait = std::min(wait, retry_at - options.clock());
    // Nor does the end of a lease.
    if (needs_lease(promise()) && !lease_over(promise(), run))
        wait = std::min(wait, std::max(lease_until(promise(), run) - options.clock(), Millis{1}));
    return wait;
}

void Loop::Impl::stir() {
    restless_until = options.clock() + restless;
    look_bell.ring();
}

void Loop::Impl::took(Facts seen) {
    facts = std::move(seen);
    run.lease.now = options.clock();
    if (!under_way) unsettled.reset();
    if (run.peers_put_off && options.clock() >= peers_again_at) run.peers_put_off = false;
    if (!lacks_stream(promise(), facts)) streamed_at = options.clock();
    run.without_stream = options.clock() - streamed_at;
    note_facts(run, promise(), facts);
    if (!session_asked && facts.status != PgStatus::unknown) open_session();
    if (session_asked && session_incarnation != promise().incarnation) open_session();
    check_folder();
    think();
    tell_rest();
    hold_deadline();
    consider_let_go();
    if (report_due)
        send_report();
    else
        report_if_news();
}

void Loop::Impl::check_folder() {
    if (under_way || unsettled || changing_folder || promises->busy()) return;
    if (look_at_folder(promise(), facts).kind == FolderNews::Kind::same) return;
    changing_folder = true;
    launch(change_folder());
}

// ---- time
// -------------------------------------------------------------------------------------------------------------

/// Every heartbeat a look and, with its facts, a report. A slow look must not seem like silence: after half a heartbeat
/// the report goes out with the facts there are.
Async<void> Loop::Impl::pulse_for_ever() {
    while (!stopping) {
        const Millis half{std::max<std::int64_t>(heartbeat.v / 2, 1)};
        co_await pulse_bell.wait(pulse_bell.rings(), half);
        if (stopping) break;
        pass_time();
        report_due = true;
        mark_due = wants_mark(promise(), run, facts);
        // What the launcher holds must not depend on whether PostgreSQL answers.
        hold_deadline();
        look_bell.ring();
        co_await pulse_bell.wait(pulse_bell.rings(), half);
        if (stopping) break;
        // The launcher may be away for long; the monitor should know.
        if (!session_asked && since_heard >= options.first_look_limit) open_session();
        if (report_due) send_report();
    }
}

void Loop::Impl::pass_time() {
    const Millis now = options.clock();
    const Millis passed = std::min(now - time_passed_at, Millis{2 * heartbeat.v});
    time_passed_at = run.lease.now = now;
    since_heard = since_heard + passed;
    since_decided = since_decided + passed;
    run.monitor_in_reach = session_alive && !in_doubt && since_heard < run.node_timeout;
    run.monitor_away = run.monitor_in_reach ? Millis{0} : in_doubt ? since_decided : since_heard;
}

// ---- deciding and stepping
// --------------------------------------------------------------------------------------------

void Loop::Impl::hold_deadline() {
    const std::optional<Millis> until = launcher_deadline(promise(), run, facts);
    if (!until || telling_deadline || !facts.launcher_connected) return;
    if (const std::optional<Millis>& held = run.lease.armed) {
        // A later one can wait for half a heartbeat, an earlier one can't.
        const bool soon_enough = *until >= *held && *until - *held < Millis{heartbeat.v / 2};
        if (*until == *held || (*held > Millis{0} && soon_enough)) return;
    }
    telling_deadline = true;
    launch(tell_deadline(*until, facts.exits));
}

Async<void> Loop::Impl::tell_deadline(Millis until, std::uint64_t exits) {
    const auto told = co_await control.hold_deadline(until);
    telling_deadline = false;
    if (!told) {
        log.warning("deadline_not_told", told.error().message);
    } else if (exits == facts.exits) {
        const bool first = run.lease.armed.value_or(Millis{0}) == Millis{0};
        run.lease.armed = until;
        // A server with k = 0 may be waiting for it.
        if (first) look_bell.ring();
    }
}

void Loop::Impl::think() {
    run.lease.now = options.clock();
    if (under_way) return think_under_way();
    if (unsettled || changing_folder) return;
    Decision next = reconcile(promise(), run, facts);
    // A promise that is being written is decided on when it is durable.
    if (promises->busy() && !(next.step && cannot_wait(*next.step, promise(), run))) return;
    decision = std::move(next);
    if (decision.settled) note_settled(run);
    if (decision.step && !on_hold(*decision.step)) begin(*decision.step);
}

/// Every look comes by here, and so does every step as it begins.
void Loop::Impl::tell_rest() {
    if (!options.on_rest) return;
    const Role role = promise().goal ? promise().goal->role : Role::wait;
    options.on_rest(!under_way && !unsettled && facts.status == PgStatus::running && facts.disk.empty() &&
                    (role == Role::primary || role == Role::standby));
}

void Loop::Impl::think_under_way() {
    if (!under_way || cancelling) return;
    const std::string why = obsolete(*under_way, promise(), run, facts);
    if (why.empty()) return;
    log.info("step_cancelled", step_text(*under_way) + " is given up: " + why, {{"step", step_name(*under_way)}});
    cancelling = true;
    cancel_step->emit(asio::cancellation_type::terminal);
}

bool Loop::Impl::on_hold(const Step& step) const {
    return failed_key == step_name(step) + std::to_string(promise().promised.version.v) && options.clock() < retry_at;
}

void Loop::Impl::begin(const Step& step) {
    const std::string why = step_reason(step);
    log.info("step_begun", step_text(step) + (why.empty() ? "" : ": " + why),
             {{"step", step_name(step)}, {"rule", decision.rule}, {"epoch", promise().promised.epoch}});
    under_way = unsettled = step;
    tell_rest();
    cancelling = false;
    progress.clear();
    cancel_step = std::make_unique<asio::cancellation_signal>();
    note_begin(run, step);
    note_self_fence(run, decision.rule, decision.problem);
    launch(carry_out(step));
    report_if_news();
}

Async<void> Loop::Impl::carry_out(Step step) {
    Result<> done;
    try {
        done = co_await asio::co_spawn(strand,
                                       control.perform(step, [this](std::string text) { progress = std::move(text); }),
                                       asio::bind_cancellation_slot(cancel_step->slot(), asio::use_awaitable));
    } catch (const boost::system::system_error& stopped) {
        if (!cancelling || stopped.code() != asio::error::operation_aborted) throw;
        done = error("given up");
    }
    // Most steps change nothing in the promise, and so wait for no other change of it that hangs on its way to the
    // disk.
    if (done && after_step(promise(), step) != promise()) {
        const IncarnationId before = promise().incarnation;
        const auto stored = co_await promises->change([&](const Promise& p) { return after_step(p, step); });
        if (!stored) log.error("state_not_written", stored.error().message);
        if (promise().incarnation != before) {
            run.goal_received = false;
            run.next = IncarnationId{random_id()};
            log.info("new_incarnation", step_text(step) + " has made another data folder",
                     {{"incarnation", promise().incarnation}});
        }
    }
    ended(step, done);
}

void Loop::Impl::ended(const Step& step, const Result<>& done) {
    if (done) {
        log.info("step_done", step_text(step), {{"step", step_name(step)}});
        note_done(run, step);
        failed_key.clear();
        failures = 0;
    } else if (cancelling) {
        note_failed(run, step, done.error().message, true);
    } else {
        log.error("step_failed", step_text(step) + ": " + done.error().message, {{"step", step_name(step)}});
        note_failed(run, step, done.error().message, false);
        const std::string key = step_name(step) + std::to_string(promise().promised.version.v);
        failures = key == failed_key ? failures + 1 : 1;
        failed_key = key;
        const std::int64_t grown = options.first_retry.v << std::min(failures - 1, 20U);
        retry_at = options.clock() + Millis{std::min(grown, options.longest_retry.v)};
        ++steps_failed;
    }
    if (std::holds_alternative<UpdatePeers>(step)) peers_again_at = options.clock() + peers_again;
    under_way.reset();
    cancelling = false;
    progress.clear();
    ++steps_ended;
    stir();
}

// ---- the whole
// --------------------------------------------------------------------------------------------------------

Loop::Loop(asio::any_io_executor strand, PostgresControl& control, Link& link, const StateFile& file,
           LoopOptions options)
    : impl_(std::make_shared<Impl>(std::move(strand), control, link, file, std::move(options))) {}
Loop::~Loop() = default;

Async<Result<>> Loop::run(StateFile::Loaded loaded) {
    const std::shared_ptr<Impl> impl = impl_;
    impl->promises.emplace(impl->strand, impl->file, loaded.promise);
    if (loaded.fresh) {
        // So that a keeper that dies at once does not come back as yet another incarnation.
        if (const auto stored = impl->file.store(loaded.promise); !stored) co_return stored.error();
    }
    impl->listen();
    impl->control.on_change([weak = std::weak_ptr(impl)] {
        if (const auto self = weak.lock()) self->stir();
    });
    impl->launch(impl->look_for_ever());
    impl->launch(impl->pulse_for_ever());
    while (!impl->stopping) co_await impl->end_bell.wait(impl->end_bell.rings(), end_limit);

    impl->control.on_change({});
    impl->cancelling = true;
    if (impl->cancel_step) impl->cancel_step->emit(asio::cancellation_type::terminal);
    impl->cancel_look.emit(asio::cancellation_type::terminal);
    for (Bell* bell : {&impl->look_bell, &impl->pulse_bell, &impl->goal_bell, &impl->looked_bell}) bell->ring();
    co_await impl->link.close();
    const Millis until = impl->options.clock() + end_limit;
    while (impl->at_work > 0 && impl->options.clock() < until)
        co_await impl->end_bell.wait(impl->end_bell.rings(), Millis{100});
    co_return Result<>{};
}

void Loop::stop() {
    impl_->stopping = true;
    impl_->end_bell.ring();
}

LoopView Loop::view() const {
    const Impl& i = *impl_;
    LoopView view;
    if (i.promises) view.promise = i.promise();
    view.run = i.run;
    view.run.lease.now = i.options.clock();
    view.facts = i.facts;
    view.doing = i.doing();
    view.problem = i.problem();
    view.refusal = i.refusal;
    const bool without = i.facts.following.empty() && view.promise.goal;
    const NodeName& ahead = without ? view.promise.goal->digest.primary : i.facts.following;
    if (const auto found = i.positions.find(ahead); found != i.positions.end()) view.upstream_end = found->second;
    view.since_progress = i.control.reads_wal() ? Millis{} : i.options.clock() - i.progress_at;
    view.cluster = i.cluster;
    if (i.cluster_told) view.cluster_age = i.options.clock() - *i.cluster_told;
    view.reports = i.seq;
    view.steps = i.steps_ended;
    view.failed_steps = i.steps_failed;
    return view;
}

}  // namespace pgaf::keeper
