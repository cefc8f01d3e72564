// How many times longer than otherwise a test's waits may take, and the times that it gives to what it tests: programs
// with sanitizers are slow, and not the subject of a wait's limit.
#pragma once

namespace pgaf::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int slowness = 5;
#else
inline constexpr int slowness = 1;
#endif

}  // namespace pgaf::test
