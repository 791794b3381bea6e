// Once through memory: every plane of the answer is read and its offset or mask written.
#include "offsets.h"

#include "matrix.h"
#include "parallel.h"

namespace ppvsr {
namespace {

// e to the power of x, within 2e-7 of it (the polynomial of Cephes' expf). Not a number stays none.
inline Floats power(Floats x) {
  x = x < -87.f ? Floats{} - 87.f : x;
  x = x > 87.f ? Floats{} + 87.f : x;
  const Floats scaled = x * 1.44269504f;
  const Ints whole = __builtin_convertvector(scaled + (scaled < 0.f ? Floats{} - .5f : Floats{} + .5f), Ints);
  const Floats twos = __builtin_convertvector(whole, Floats);
  const Floats r = x - twos * .693359375f + twos * 2.12194440e-4f;
  Floats sum = Floats{} + 1.9875691500e-4f;
  for (const float next : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    sum = sum * r + next;
  const Ints exponent = (whole + 127) << 23;
  return (sum * r * r + r + 1.f) * reinterpret_cast<const Floats&>(exponent);
}

inline Floats tanh(Floats x) { return 1.f - 2.f / (power(2.f * x) + 1.f); }
inline Floats sigmoid(Floats x) { return 1.f / (power(-x) + 1.f); }

// to[i] = f(from[i], with[i])
template <class F>
inline void each_of(long count, const float* from, const float* with, float* to, const F& f) {
  long i = 0;
  for (; i + LANES <= count; i += LANES) store<LANES>(to + i, f(load<LANES>(from + i), load<LANES>(with + i)));
  for (; i < count; ++i) to[i] = f(Floats{} + from[i], Floats{} + with[i])[0];
}

}  // namespace

void make_offsets(const Offsets& o, const float* answer, float* offset, float* mask) {
  const long planes = o.channels + o.masks(), size = o.pixels;
  each(o.n * planes, [&](long plane) {
    const long n = plane / planes, c = plane % planes;
    const float* from = answer + plane * size;
    if (c < o.channels) {
      const long at = (n * o.channels + c) * size;
      const float* start = o.offset + at;
      if (!o.offset) start = o.flows[c * long(o.flows.size()) / o.channels] + (2 * n + (c + 1) % 2) * size;
      each_of(size, from, start, offset + at, [&](Floats x, Floats s) { return o.reach * tanh(x) + s; });
    } else {
      const long at = (n * o.masks() + c - o.channels) * size;
      const auto alone = [](Floats x, Floats) { return sigmoid(x); };
      const auto mean = [](Floats x, Floats m) { return .5f * (sigmoid(x) + m); };
      o.mask ? each_of(size, from, o.mask + at, mask + at, mean) : each_of(size, from, from, mask + at, alone);
    }
  });
}

}  // namespace ppvsr
