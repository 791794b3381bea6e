// With PPVSR_VERBOSE=1 in the environment every call of an operator prints a line, as oneDNN does with ONEDNN_VERBOSE=1.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace ppvsr {

// Prints how long it lived, in milliseconds.
class Report {
 public:
  Report(const char* name, long n, long ci, long co, long h, long w) {
    if (!wanted()) return;
    const auto side = [](char s, long size) {
      const std::string letter(1, s), number = std::to_string(size);
      return "_i" + letter + number + "o" + letter + number + "k" + letter + "3";
    };
    line = "ppvsr_verbose,exec," + std::string(name) + ",mb" + std::to_string(n) + "_ic" + std::to_string(ci) + "oc" +
           std::to_string(co) + side('h', h) + side('w', w);
    began = std::chrono::steady_clock::now();
  }
  ~Report() {
    if (line.empty()) return;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    std::printf("%s,%g\n", line.c_str(), took.count());
    std::fflush(stdout);
  }
  Report(const Report&) = delete;

 private:
  static bool wanted() {
    static const char* const said = std::getenv("PPVSR_VERBOSE");
    return said && *said == '1';
  }

  std::string line;
  std::chrono::steady_clock::time_point began;
};

}  // namespace ppvsr
