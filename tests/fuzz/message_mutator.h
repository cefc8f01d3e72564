// Mutates protobuf messages field by field, so that fuzzing gets past the parser: bytes changed blindly are hardly ever
// a message any more. Knows only protobuf's reflection. libFuzzer's entry points are made of it by PGAF_FUZZ_MESSAGES.
#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <random>

namespace pgaf::fuzz {

/// Changes one thing somewhere in the message: sets, clears, adds, repeats, moves or exchanges a field. Values that the
/// message holds already are used again elsewhere, since stamps, ids and positions mean something only when they match.
void mutate(google::protobuf::Message& message, std::mt19937& dice);

/// As LLVMFuzzerCustomMutator: `scratch` is a message of the type that the bytes hold; bytes that hold none begin anew.
std::size_t mutate_bytes(google::protobuf::Message& scratch, std::uint8_t* data, std::size_t size, std::size_t max_size,
                         unsigned seed);

}  // namespace pgaf::fuzz

#define PGAF_FUZZ_MESSAGES(Type)                                                                               \
    extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, \
                                                   unsigned seed) {                                            \
        Type scratch;                                                                                          \
        return pgaf::fuzz::mutate_bytes(scratch, data, size, max_size, seed);                                  \
    }
