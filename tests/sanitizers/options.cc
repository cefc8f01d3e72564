// What the sanitizers' runtimes are told, compiled into every program of a build with PGAF_SANITIZE, so that no process
// runs without it, whoever starts it. The environment (ASAN_OPTIONS and so on) comes after it and wins. Nothing else of
// pgaf knows this file, and no other build has it.
//
// A report ends the process: a test that only looks at exit codes notices it. The tests of whole clusters also give
// log_path, and look at each process's file (tests/live/sanitizers.py, tests/support/live_main.cc).

extern "C" {

const char* __asan_default_options();
const char* __lsan_default_options();
const char* __lsan_default_suppressions();
const char* __tsan_default_options();
const char* __tsan_default_suppressions();
const char* __ubsan_default_options();

const char* __asan_default_options() {
    return "abort_on_error=0:exitcode=86:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:"
           "check_initialization_order=1:strict_init_order=1:print_stacktrace=1";
}

const char* __ubsan_default_options() {
    return "halt_on_error=1:exitcode=86:print_stacktrace=1";
}

const char* __lsan_default_options() {
    return "exitcode=86:print_suppressions=0";
}

const char* __tsan_default_options() {
    return "halt_on_error=1:exitcode=86:second_deadlock_stack=1:print_suppressions=0:"
           // What libraries of the system do by themselves is not looked at: they were built without instrumentation,
           // so that neither their atomics nor their locks are seen.
           "ignore_noninstrumented_modules=1";
}

// Only what libraries of the system do that were built without instrumentation. Each line says why.

const char* __lsan_default_suppressions() {
    return "";
}

const char* __tsan_default_suppressions() {
    // gRPC hands a call from thread to thread by atomics within its library, which are not seen: what was written
    // before such a step, and is read after it, looks like a race, whether it is gRPC's (its headers are compiled into
    // our programs), a message's or a reactor's. So nothing is found in what is called on gRPC's threads. Little of
    // ours is: reactors post to a strand, whose locks are seen.
    return "race:grpc::\n";
}
}
