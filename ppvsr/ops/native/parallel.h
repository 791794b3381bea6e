// Sharing work among threads.
#pragma once

#include <algorithm>
#include <atomic>

namespace ppvsr {

// Call `worker` in every thread with a function that gives the next of `count` items, and `count` when all are taken.
// A thread takes `chunk` neighbours before it asks again.
// Of OpenMP only the bare parallel region is used: Paddle brings an Intel runtime that lacks what newer compilers
// call for shared loops, and a second runtime would jump in for that, doing every loop once per thread.
template <class Worker>
void share(long count, long chunk, const Worker& worker) {
  std::atomic<long> next{0};
#pragma omp parallel if (count > chunk)
  {
    long item = 0, end = 0;
    worker([&] {
      if (item == end) {
        item = std::min(next.fetch_add(chunk, std::memory_order_relaxed), count);
        end = std::min(item + chunk, count);
      }
      return item < end ? item++ : count;
    });
  }
}

// Call `work(item)` for each of `count` items, in any order.
template <class Work>
void each(long count, const Work& work) {
  share(count, 1, [&](const auto& take) {
    for (long item; (item = take()) < count;) work(item);
  });
}

}  // namespace ppvsr
