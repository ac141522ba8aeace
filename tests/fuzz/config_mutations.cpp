// config_fuzz without libFuzzer, for every compiler: takes the configurations that are given,
// changes each at random in lines, words and bytes, and hands it to the same checks. A seed repeats
// a run.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

namespace {

using xlb::oracle::Random;

constexpr size_t kLongest = 16'384;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> pieces(std::string_view text, std::string_view ends) {
  std::vector<std::string> result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(ends, at), text.size() - 1) + 1;
    result.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return result;
}

class Mutator {
 public:
  Mutator(std::vector<std::string> texts, uint64_t seed) : random_(seed), texts_(std::move(texts)) {
    for (const std::string& text : texts_) {
      for (const std::string& line : pieces(text, "\n"))
        lines_.push_back(line);
      for (const std::string& word : pieces(text, " \t\n"))
        words_.push_back(word);
    }
  }

  std::string next() {
    std::string text = random_.pick(texts_);
    for (uint32_t i = random_.between(1, 6); i > 0; --i) {
      switch (random_.below(4)) {
        case 0:
          text = changed(text, "\n", lines_);
          break;
        case 1:
        case 2:
          text = changed(text, " \t\n", words_);
          break;
        default:
          change_byte(text);
      }
    }
    text.resize(std::min(text.size(), kLongest));
    return text;
  }

 private:
  // One piece is replaced by another file's, left out, said twice or moved.
  std::string changed(const std::string& text, std::string_view ends,
                      const std::vector<std::string>& others) {
    std::vector<std::string> all = pieces(text, ends);
    if (all.empty()) return random_.pick(others);
    const size_t at = random_.below(static_cast<uint32_t>(all.size()));
    const size_t to = random_.below(static_cast<uint32_t>(all.size()));
    switch (random_.below(4)) {
      case 0:
        all[at] = random_.pick(others);
        break;
      case 1:
        all[at].clear();
        break;
      case 2:
        all[at] += all[at];
        break;
      default:
        std::swap(all[at], all[to]);
    }
    std::string result;
    for (const std::string& piece : all)
      result += piece;
    return result;
  }

  void change_byte(std::string& text) {
    static constexpr std::string_view kUsual = "{}\"'#!$@~\\\n 0129-./:";
    if (text.empty()) return;
    const size_t at = random_.below(static_cast<uint32_t>(text.size()));
    text[at] = random_.percent(80) ? kUsual[random_.below(static_cast<uint32_t>(kUsual.size()))]
                                   : static_cast<char>(random_.below(256));
  }

  Random random_;
  std::vector<std::string> texts_;
  std::vector<std::string> lines_;
  std::vector<std::string> words_;
};

struct Arguments {
  uint64_t seed = 1;
  std::chrono::seconds time{10};
  std::string keep;  // the file that holds what is being tried
  std::vector<std::string> texts;
};

Arguments read_arguments(int count, char** words) {
  Arguments result;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--seed" && i + 1 < count) {
      result.seed = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--seconds" && i + 1 < count) {
      result.time = std::chrono::seconds(std::strtol(words[++i], nullptr, 10));
    } else if (word == "--keep" && i + 1 < count) {
      result.keep = words[++i];
    } else {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(words[i])) {
        if (entry.is_regular_file()) result.texts.push_back(read(entry.path()));
      }
    }
  }
  return result;
}

}  // namespace

int main(int count, char** words) {
  const Arguments arguments = read_arguments(count, words);
  if (arguments.texts.empty()) {
    fmt::print(stderr, "usage: config_mutations [--seed N] [--seconds N] [--keep FILE] DIR...\n");
    return 2;
  }
  Mutator mutator(arguments.texts, arguments.seed);
  const auto end = std::chrono::steady_clock::now() + arguments.time;
  uint64_t tried = 0;
  while (std::chrono::steady_clock::now() < end) {
    const std::string text = mutator.next();
    if (!arguments.keep.empty()) std::ofstream(arguments.keep, std::ios::binary) << text;
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    ++tried;
  }
  fmt::print("{} configurations tried, seed {}\n", tried, arguments.seed);
  return 0;
}
