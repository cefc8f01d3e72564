#include "monitor/http/reason_label.h"

#include <array>

namespace pgaf::monitor {

std::string reason_label(const std::string& reason) {
    struct Word {
        const char* part;
        const char* label;
    };
    // The heart's sentences name nodes; what is left without the names is one of these.
    static constexpr std::array words{
        Word{"PostgreSQL exited", "postgres_exited"},
        Word{" is lost", "node_lost"},
        Word{" can't write", "disk"},
        Word{" cut off from its standbys", "cut_off"},
        Word{" can't be promoted", "promotion_failed"},
        Word{" answers no query", "postgres_stuck"},
        Word{"data folder", "data_folder_lost"},
        Word{"shutting down", "machine_shutdown"},
        Word{"maintenance", "maintenance"},
        Word{"dropped", "drop_node"},
        Word{"an operator", "operator"},
    };
    for (const Word& word : words) {
        if (reason.find(word.part) != std::string::npos) return word.label;
    }
    return "other";
}

}  // namespace pgaf::monitor
