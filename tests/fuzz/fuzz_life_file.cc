// The file beside the monitor's store (R11), read as it may have become: torn, of another store, put back. What is read
// is what was written, to the last byte; a store with a file that does not fit is doubted, and one with a file that
// does is not; and no term begins twice. Half of the inputs get a checksum that fits, or it would keep nearly all of
// them out.
#include <boost/crc.hpp>
#include <limits>

#include "monitor/store/life_file.h"
#include "monitor/store/sqlite_db.h"
#include "monitor/store/sqlite_store.h"
#include "tests/fuzz/fuzz.h"

namespace pgaf::monitor {
namespace {

using fuzz::require;

constexpr std::size_t text_bytes = 128;

template <class T>
T must(Result<T> result) {
    require(static_cast<bool>(result), result ? "" : result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The text as a life file's, in its length and with its checksum.
std::string with_checksum(std::string text) {
    if (text.size() + 10 > text_bytes) return text;
    boost::crc_32_type crc;
    crc.process_bytes(text.data(), text.size());
    char tail[16];
    std::snprintf(tail, sizeof tail, " %08x", static_cast<unsigned>(crc.checksum()));
    text += tail;
    text.resize(text_bytes - 1, ' ');
    return text + "\n";
}

/// A store with two commits, and the life that the corpus knows; or a place where no store is yet.
class Place {
  public:
    Place() {
        {
            const auto store = must(open_sqlite_store({path_}));
            must(store->begin_term(MonitorId{"m"}));
            fsm::ClusterRecord record;
            record.name = ClusterName{"main"};
            for (int i = 0; i < 2; ++i) must(store->save(record, {}, 1));
        }
        must(must(Database::open(path_))->execute("UPDATE monitor SET life = '" + life_.life + "'"));
        used_ = content(path_);
    }

    void judge(std::string_view text, bool used) {
        for (const char* end : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path_ + end);
        if (used) folder_.write("monitor.db", used_);
        folder_.write("monitor.db.life", text);
        const auto beside = must(LifeFile::open(path_ + ".life")).read();
        const bool fits = used ? beside && beside->life == life_.life && beside->commits <= life_.commits &&
                                     beside->term <= life_.term
                               : text.empty();
        const Term least = std::max(used ? life_.term : Term{}, beside ? beside->term : Term{});
        {
            const auto store = must(open_sqlite_store({path_}));
            require(store->doubt().empty() == fits,
                    "R11: a store is doubted when the file does not fit, and only then");
            const auto term = store->begin_term(MonitorId{"m"});
            const bool has_next = least.v != std::numeric_limits<std::uint64_t>::max();
            require(static_cast<bool>(term) == has_next, "a term begins, if there is one more");
            if (!term) return;
            require(*term > least, "R10: a term is higher than any that was heard of");
        }
        require(must(LifeFile::open(path_ + ".life")).read()->term > least, "the file knows the new term");
        require(must(open_sqlite_store({path_}))->doubt().empty() == fits, "the doubt outlives the process");
    }

  private:
    fuzz::Folder folder_;
    std::string path_ = folder_.path("monitor.db");
    StoreLife life_{"00000000000000aa", 2, Term{1}};
    std::string used_;
};

void read_and_write(const fuzz::Folder& folder, const std::string& text) {
    auto file = must(LifeFile::open(folder.write("life", text)));
    require(file.has_text() == !text.empty(), "a text that is there is seen");
    const auto life = file.read();
    if (!life) return;
    must(file.note(*life));
    require(content(folder.path("life")) == text, "what was read is what was written");
}

}  // namespace
}  // namespace pgaf::monitor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pgaf;
    static const fuzz::Folder folder;
    static monitor::Place place;
    if (size == 0) return 0;
    std::string text(fuzz::as_text(data + 1, size - 1));
    if (data[0] % 2 != 0) text = monitor::with_checksum(std::move(text));
    monitor::read_and_write(folder, text);
    // A store takes a hundred times as long.
    if (data[0] % 4 >= 2) place.judge(text, data[0] % 8 >= 4);
    return 0;
}
