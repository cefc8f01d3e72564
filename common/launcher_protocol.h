// What keeper and launcher say to each other over the Unix socket: one JSON object a line, both ways.
// The launcher serves one keeper at a time; a newer connection replaces an older one.
//
// Keeper to launcher, each with an "id" that the answer repeats:
//   {"id":1,"op":"start","args":["-c","..."]}      start the postmaster; the answer {"pid":...} comes when it was
//   executed
//   {"id":2,"op":"stop","mode":"fast","limit_ms":1000}
//                                                  fast | immediate; the answer {"clean":...,"status":...} comes when
//                                                  it has exited (R13). After the limit (optional) of a fast stop the
//                                                  remaining walsenders are ended, then the server stops immediately
//   {"id":3,"op":"reload"}                         SIGHUP to the postmaster
//   {"id":4,"op":"end_process","pid":123,"limit_ms":1000}  SIGTERM to a child of the postmaster; answered when it is
//   gone
//   {"id":5,"op":"run","program":"pg_rewind","args":[...],"env":{...}}  one of PostgreSQL's own programs; the answer
//                                                  {"pid":...} comes when it was executed. It lives no longer than the
//                                                  connection that asked for it
//   {"id":6,"op":"kill_run","run":5}               ends a program under way; "run_ended" follows
//   {"id":7,"op":"status"}                         the fields of "hello"
//   {"id":8,"op":"let_go"}                         after "leaving": the handover is done, the launcher may end
//   {"id":9,"op":"deadline","ms":60000,"until_ms":123456}
//                                                  R8: stop PostgreSQL unless this is renewed in time; 0: none.
//                                                  until_ms: the same moment on CLOCK_BOOTTIME, so that a renewal that
//                                                  was under way during a freeze is worth no more than when it was sent
// Launcher to keeper:
//   {"id":1,"ok":true, ...} or {"id":1,"ok":false,"error":"..."}
//   {"event":"exited","exits":3,"status":"signal 9","clean":false,"expired":false,"last_lines":["..."]}
//                                                  the postmaster and all that it left are gone and reaped; expired:
//                                                  it was stopped because the deadline had passed
//   {"event":"started","pid":1234}                 a start that an earlier connection has asked for was executed
//   {"event":"start_failed","error":"..."}         the same, and it could not be
//   {"event":"leaving"}                            the launcher got SIGTERM
//   {"event":"deadline_expired"}                   R8: the launcher stops PostgreSQL immediately
//   {"event":"output","run":5,"stream":"stderr","text":"..."}  a line of a program's output, or 8 KiB of a longer one
//   {"event":"run_ended","run":5,"code":0}         128 + n for signal n
//   {"event":"hello","life":"...","data_dir":"...","bin_dir":"...","postmaster":1234,"starting":false,"exits":0,
//    "leaving":false,"pg_version":"15.13","last_exit":{"status":"...","clean":true,"expired":false,
//     "last_lines":[]}}
//                                                  first on each connection. life: random, another one for each run of
//                                                  the launcher; exits count within it; last_exit only after an exit;
//                                                  starting: a start is under way, so that there is no pid yet
#pragma once

#include <cstddef>

namespace pgaf::launcher {

/// No line is longer; a peer that sends a longer one is disconnected.
inline constexpr std::size_t max_line_bytes = 64 * 1024;
/// A longer line of a program's output comes in pieces of this size (JSON may spend six bytes on each of them).
inline constexpr std::size_t max_output_bytes = 8 * 1024;
/// Programs that "run" accepts, all in PostgreSQL's bin folder.
inline constexpr const char* programs[] = {"initdb", "pg_basebackup", "pg_rewind", "pg_waldump", "pg_controldata"};

}  // namespace pgaf::launcher
