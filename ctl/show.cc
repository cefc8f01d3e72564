// show state|events|uri|settings|standby-names: everything that changes nothing.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/commands.h"
#include "ctl/documents.h"
#include "ctl/tables.h"
#include "ctl/text.h"
#include "pgaf/v1/admin.pb.h"

namespace pgaf::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t answer_limit_ms = 10'000;
constexpr auto clear_screen = "\x1b[H\x1b[2J";

/// Fetches the state and shows what `show` makes of it.
int with_state(Session& session, const std::function<void(const v1::ClusterState&)>& show) {
    v1::ClusterState state;
    const auto outcome = session.client(answer_limit_ms).get_state(session.cluster(), state);
    if (!outcome.ok()) return session.fail(outcome);
    show(state);
    return exit_done;
}

std::function<void(const std::string&)> say_lost(Session& session) {
    return [&session](const std::string& message) {
        session.terminal().err << "pgafctl: " << message << "; trying again" << std::endl;
    };
}

int show_state(Session& session) {
    return with_state(session, [&](const v1::ClusterState& state) {
        session.show(state_document(state), [&] { return state_table(state, session.colours()); });
    });
}

int watch_state(Session& session) {
    const bool redraw = session.terminal().out_is_terminal && session.format() == Format::table;
    bool first = true;
    auto client = session.client(0);
    const auto outcome = client.watch_state(
        session.cluster(),
        [&](const v1::ClusterState& state) {
            if (redraw)
                session.terminal().out << clear_screen;
            else if (!first && session.format() == Format::table)
                session.terminal().out << '\n';
            first = false;
            session.show_next(state_document(state), [&] { return state_table(state, session.colours()); });
            return session.terminal().out.good();
        },
        say_lost(session));
    return outcome.ok() ? exit_done : session.fail(outcome);
}

int list_events(Session& session, const v1::ListEventsRequest& request) {
    v1::EventList events;
    const auto outcome = session.client(answer_limit_ms).list_events(request, events);
    if (!outcome.ok()) return session.fail(outcome);
    Json list = Json::array();
    for (const auto& event : events.events()) list.push_back(event_document(event));
    session.show(Json{{"cluster", session.cluster()}, {"events", list}},
                 [&] { return event_table(events, session.colours()); });
    return exit_done;
}

int follow_events(Session& session, const v1::ListEventsRequest& request) {
    bool first = true;
    auto client = session.client(0);
    const auto outcome = client.watch_events(
        request,
        [&](const v1::Event& event) {
            if (std::exchange(first, false) && session.format() == Format::table)
                session.terminal().out << event_table(v1::EventList(), session.colours());
            session.show_next(event_document(event), [&] { return event_line(event, session.colours()); });
            return session.terminal().out.good();
        },
        say_lost(session));
    return outcome.ok() ? exit_done : session.fail(outcome);
}

struct EventOptions {
    bool follow = false;
    std::string since;
    std::uint32_t limit = 0;
};

void add_events(CLI::App& show, Action& action) {
    auto options = std::make_shared<EventOptions>();
    auto* events = show.add_subcommand("events", "what happened and why, with the evidence of each decision");
    events->add_flag("-f,--follow", options->follow, "go on with the events to come");
    events->add_option("--since", options->since, "10m, 2h, 1d ago, or a time like 2026-01-31T12:00:00[Z]");
    events->add_option("--limit", options->limit, "the newest N (default 100)")->check(CLI::Range(1U, 10000U));
    events->callback([options, &action] {
        std::int64_t since = 0;
        if (!options->since.empty()) {
            const auto now = std::chrono::system_clock::now().time_since_epoch();
            const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
            since = parse_since(options->since, now_ms);
            if (since < 0)
                throw CLI::ValidationError("--since", "'" + options->since +
                                                          "' is neither a duration (10m, 2h, 1d) nor a time "
                                                          "(2026-01-31T12:00:00, with Z for UTC)");
        }
        action = [options, since](Session& session) {
            v1::ListEventsRequest request;
            request.set_cluster(session.cluster());
            request.set_since_unix_ms(since);
            request.set_limit(options->limit);
            return options->follow ? follow_events(session, request) : list_events(session, request);
        };
    });
}

void add_uri(CLI::App& show, Action& action) {
    auto role = std::make_shared<std::string>("primary");
    auto* uri = show.add_subcommand("uri", "the connection URI for libpq and its drivers");
    uri->add_option("--role", *role, "primary, replica or any")
        ->check(CLI::IsMember({"primary", "replica", "any"}))
        ->capture_default_str();
    uri->callback([role, &action] {
        action = [role](Session& session) {
            return with_state(session, [&](const v1::ClusterState& state) {
                const auto text = connection_uri(state, *role);
                session.show(Json{{"cluster", state.cluster()}, {"role", *role}, {"uri", text}},
                             [&] { return text + "\n"; });
            });
        };
    });
}

int show_settings(Session& session) {
    return with_state(session, [&](const v1::ClusterState& state) {
        session.show(settings_document(state), [&] { return settings_table(state, session.colours()); });
    });
}

int show_standby_names(Session& session) {
    return with_state(session, [&](const v1::ClusterState& state) {
        session.show(Json{{"cluster", state.cluster()}, {"standby_names", state.standby_names()}},
                     [&] { return printable(state.standby_names()) + "\n"; });
    });
}

}  // namespace

void add_show(CLI::App& app, Action& action) {
    auto* show = app.add_subcommand("show", "state, events, URIs and settings of a cluster");
    show->require_subcommand(1);
    auto watch = std::make_shared<bool>(false);
    auto* state =
        show->add_subcommand("state", "the nodes, their roles and health, and whether a failover is possible");
    state->add_flag("-w,--watch", *watch, "show it again whenever it changes");
    state->callback([watch, &action] { action = *watch ? watch_state : show_state; });
    add_events(*show, action);
    add_uri(*show, action);
    show->add_subcommand("settings", "the settings of the cluster, their values and meaning")->callback([&action] {
        action = show_settings;
    });
    show->add_subcommand("standby-names", "synchronous_standby_names of the primary")->callback([&action] {
        action = show_standby_names;
    });
}

}  // namespace pgaf::ctl
