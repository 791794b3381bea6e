// Winograd's F(4x4, 3x3) (arXiv 1509.09308): 4x4 outputs take 36 products of every pair of channels instead of 144.
//
//   outputs = A' [(G weight G') * (B' tile B)] A, where a tile is 6x6 pixels
//
// Weights come as G weight G'. A thread takes a few packs of tiles that lie side by side, transforms them, multiplies
// matrices for each of the 36 places in a tile and transforms back; all of that stays in its cache.
#include "winograd.h"

#include <algorithm>
#include <utility>

#include "matrix.h"
#include "parallel.h"

namespace ppvsr {
namespace {

constexpr int OUT = 4, EDGE = OUT + 2, SIZE = EDGE * EDGE;  // outputs of a tile, pixels of it, places in it
constexpr int SPAN = OUT * LANES;                           // outputs of a pack, side by side
constexpr int PACKS = 3, WIDTH = PACKS * LANES;             // tiles that are multiplied together
constexpr int STRIP = LANES == 16 ? 8 : 4;                  // outputs of it: PACKS * STRIP sums fit the registers
constexpr long SHALLOW = 64, DEEP = 32, BROAD = 32;         // channels that stay in the cache

// Where the outputs of a pack begin, in which picture.
struct Place {
  long n, y, x;
};

template <int... I>
inline Floats pick(Floats a, Floats b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, I...);
#else
  return __builtin_shuffle(a, b, Ints{I...});
#endif
}

template <int FIRST, int STEP, int... I>
inline Floats every(Floats a, Floats b, std::integer_sequence<int, I...>) {
  return pick(a, b, std::integer_sequence<int, (FIRST + STEP * I)...>());
}

template <int FIRST, int... I>
inline Floats zip(Floats a, Floats b, std::integer_sequence<int, I...>) {
  return pick(a, b, std::integer_sequence<int, (FIRST + I / 2 + I % 2 * LANES)...>());
}

using Count = std::make_integer_sequence<int, LANES>;
inline Floats evens(Floats a, Floats b) { return every<0, 2>(a, b, Count()); }
inline Floats odds(Floats a, Floats b) { return every<1, 2>(a, b, Count()); }
inline Floats shift(Floats a, Floats b) { return every<1, 1>(a, b, Count()); }  // the second of a to the first of b
inline Floats zip_low(Floats a, Floats b) { return zip<0>(a, b, Count()); }
inline Floats zip_high(Floats a, Floats b) { return zip<LANES / 2>(a, b, Count()); }

// B' of six numbers.
inline void inwards(const Floats (&d)[EDGE], Floats (&to)[EDGE]) {
  const Floats even = d[4] - 4.f * d[2], odd = d[3] - 4.f * d[1];
  const Floats half = d[4] - d[2], twice = 2.f * (d[3] - d[1]);
  to[0] = 4.f * d[0] - 5.f * d[2] + d[4];
  to[1] = even + odd;
  to[2] = even - odd;
  to[3] = half + twice;
  to[4] = half - twice;
  to[5] = 4.f * d[1] - 5.f * d[3] + d[5];
}

// A' of six numbers.
inline void outwards(const Floats (&m)[EDGE], Floats (&to)[OUT]) {
  const Floats near = m[1] + m[2], far = m[3] + m[4], tilt = m[1] - m[2], lean = m[3] - m[4];
  to[0] = m[0] + near + far;
  to[1] = tilt + 2.f * lean;
  to[2] = near + 4.f * far;
  to[3] = tilt + 8.f * lean + m[5];
}

constexpr int LINE = SPAN + LANES;  // pixels of a line under a pack; SPAN + 2 count
alignas(64) constexpr float NOTHING[LINE] = {};

// Where six lines of pixels of a channel begin under a pack of tiles: one line above it, one pixel before it. What of
// them lies outside of the picture is not read when `begins` or `ends` says that a line goes no further.
struct Lines {
  const float* at[EDGE];
  bool begins, ends;
};

// The lines of a pack that has outputs in its whole breadth: in the picture itself.
inline Lines look(const float* plane, long h, long w, const Place& place) {
  Lines lines{{}, place.x == 0, place.x + SPAN == w};
  for (int i = 0; i < EDGE; ++i) {
    const long y = place.y - 1 + i;
    lines.at[i] = y >= 0 && y < h ? plane + y * w + place.x - 1 : NOTHING;
  }
  return lines;
}

// The same at the end of a picture, where a pack is cut off: copied, with zeros behind.
inline Lines copy(const float* plane, long h, long w, const Place& place, float (&to)[EDGE][LINE]) {
  Lines lines{{}, false, false};
  const long from = std::max(place.x - 1, 0L);
  for (int i = 0; i < EDGE; ++i) {
    const long y = place.y - 1 + i;
    std::fill_n(to[i], LINE, 0.f);
    if (y >= 0 && y < h) std::copy(plane + y * w + from, plane + (y + 1) * w, to[i] + (from - place.x + 1));
    lines.at[i] = to[i];
  }
  return lines;
}

// Transform a pack of tiles of one channel: place i of the tiles to to[i * gap].
APART void transform(const Lines& lines, float* to, long gap) {
  alignas(64) float half[EDGE][LINE];  // transformed downwards
  Floats in[EDGE], out[EDGE];
  for (int v = 0; v <= OUT; ++v) {
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; ++i) {
      const float* from = lines.at[i] + v * LANES;
      if (v == 0 && lines.begins)
        in[i] = every<LANES - 1, 1>(Floats{}, load<LANES>(from + 1), Count());
      else if (v == OUT)
        in[i] = Floats{from[0], lines.ends ? 0.f : from[1]};
      else
        in[i] = load<LANES>(from);
    }
    inwards(in, out);
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; ++i) store<LANES>(half[i] + v * LANES, out[i]);
  }
  for (int i = 0; i < EDGE; ++i) {
    Floats part[OUT];
#pragma GCC unroll 4
    for (int v = 0; v < OUT; ++v) part[v] = load<LANES>(half[i] + v * LANES);
    const Floats rest = load<LANES>(half[i] + SPAN);
    const Floats even = evens(part[0], part[1]), even2 = evens(part[2], part[3]);
    const Floats odd = odds(part[0], part[1]), odd2 = odds(part[2], part[3]);
    in[0] = evens(even, even2), in[1] = evens(odd, odd2), in[2] = odds(even, even2), in[3] = odds(odd, odd2);
    in[4] = shift(in[0], rest);  // the first pixels of the next tile
    in[5] = shift(in[1], shift(rest, rest));
    inwards(in, out);
#pragma GCC unroll 6
    for (int j = 0; j < EDGE; ++j) store<LANES>(to + (i * EDGE + j) * gap, out[j]);
  }
}

// sums (R, WIDTH) = or, unless FRESH, += weight (depth, R; lines `co` apart) transposed, times tiles (depth, WIDTH).
template <int R, bool FRESH>
APART void product(long depth, const float* weight, long co, const float* tiles, float* sums) {
  Floats sum[R][PACKS];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < PACKS; ++v) sum[r][v] = FRESH ? Floats{} : load<LANES>(sums + r * WIDTH + v * LANES);
  for (long k = 0; k < depth; ++k, weight += co, tiles += WIDTH) {
    Floats line[PACKS];
#pragma GCC unroll 3
    for (int v = 0; v < PACKS; ++v) line[v] = load<LANES>(tiles + v * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < PACKS; ++v) sum[r][v] += weight[r] * line[v];
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < PACKS; ++v) store<LANES>(sums + r * WIDTH + v * LANES, sum[r][v]);
}

// The same for any number of outputs, by strips as broad as possible.
template <bool FRESH, int R = STRIP>
void products(long outputs, long depth, const float* weight, long co, const float* tiles, float* sums, long r = 0) {
  for (; r + R <= outputs; r += R) product<R, FRESH>(depth, weight + r, co, tiles, sums + r * WIDTH);
  if constexpr (R > 1) products<FRESH, R / 2>(outputs, depth, weight, co, tiles, sums, r);
}

// Transform a pack of tiles of one output back: place i of them is sums[i * gap]. Lines of `to` and `plus` lie
// `pitch` apart.
APART void finish(const float* sums, long gap, float bias, float slope, const float* plus, float* to, long pitch) {
  Floats half[EDGE][OUT], in[EDGE], row[OUT];
  for (int j = 0; j < EDGE; ++j) {
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; ++i) in[i] = load<LANES>(sums + (i * EDGE + j) * gap);
    outwards(in, half[j]);
  }
  for (int i = 0; i < OUT; ++i, to += pitch) {
#pragma GCC unroll 6
    for (int j = 0; j < EDGE; ++j) in[j] = half[j][i];
    outwards(in, row);
    const Floats low = zip_low(row[0], row[2]), low2 = zip_low(row[1], row[3]);
    const Floats high = zip_high(row[0], row[2]), high2 = zip_high(row[1], row[3]);
    Floats line[OUT] = {zip_low(low, low2), zip_high(low, low2), zip_low(high, high2), zip_high(high, high2)};
#pragma GCC unroll 4
    for (int v = 0; v < OUT; ++v) {
      line[v] += bias;
      line[v] = line[v] > 0.f ? line[v] : slope * line[v];
      if (plus) line[v] += load<LANES>(plus + i * pitch + v * LANES);
      store<LANES>(to + v * LANES, line[v]);
    }
  }
}

using Block = float[OUT][SPAN];

// The part of a block that lies in the picture, to `out`, which is where it begins; `plus` likewise.
void put(const Block& block, long h, long w, const Place& place, const float* plus, float* out) {
  const long rows = std::min<long>(OUT, h - place.y), span = std::min<long>(SPAN, w - place.x);
  for (long i = 0; i < rows; ++i)
    for (long x = 0; x < span; ++x) out[i * w + x] = plus ? block[i][x] + plus[i * w + x] : block[i][x];
}

// Two blocks, whose pixels take turns, to every other line of a picture of twice the size, from `out` on.
void put_in_turn(const Block& left, const Block& right, long h, long w, const Place& place, float* out) {
  const long rows = std::min<long>(OUT, h - place.y), span = std::min<long>(SPAN, w - place.x);
  for (long i = 0; i < rows; ++i) {
    float* to = out + (place.y + i) * 4 * w + 2 * place.x;
    long x = 0;
    for (; x + LANES <= span; x += LANES) {
      const Floats a = load<LANES>(left[i] + x), b = load<LANES>(right[i] + x);
      store<LANES>(to + 2 * x, zip_low(a, b));
      store<LANES>(to + 2 * x + LANES, zip_high(a, b));
    }
    for (; x < span; ++x) to[2 * x] = left[i][x], to[2 * x + 1] = right[i][x];
  }
}

}  // namespace

void convolve(const Convolution& conv, float* out) {
  const long h = conv.h, w = conv.w, ci = conv.ci, co = conv.co, pixels = h * w;
  const long across = (w + SPAN - 1) / SPAN, down = (h + OUT - 1) / OUT, packs = conv.n * down * across;
  const long deep = ci <= SHALLOW ? ci : DEEP, broad = std::min(co, ci <= SHALLOW ? BROAD : 2 * BROAD);
  const long tile_gap = deep * WIDTH + LANES, sum_gap = broad * WIDTH + LANES;  // no multiples of a page: caches
  const auto place = [&](long pack) {
    return Place{pack / across / down, pack / across % down * OUT, pack % across * SPAN};
  };
  share((packs + PACKS - 1) / PACKS, 1, [&](const auto& take) {
    static thread_local std::vector<float> scratch;  // kept: making it takes longer than a small convolution
    scratch.resize(std::max<size_t>(scratch.size(), SIZE * (tile_gap + sum_gap)));
    float* const tiles = scratch.data();
    float* const sums = tiles + SIZE * tile_gap;
    alignas(64) float copied[EDGE][LINE];
    alignas(64) Block blocks[2];
    for (long unit; (unit = take()) * PACKS < packs;) {
      const long first = unit * PACKS, count = std::min<long>(PACKS, packs - first);
      for (long o = 0; o < co; o += broad) {
        const long outputs = std::min(broad, co - o);
        for (long c = 0; c < ci; c += deep) {
          const long depth = std::min(deep, ci - c);
          if (o == 0 || deep < ci)
            for (long k = 0; k < depth; ++k)
              for (long p = 0; p < count; ++p) {
                const Place at = place(first + p);
                const float* plane = conv.planes[at.n * ci + c + k];
                const Lines lines = at.x + SPAN <= w ? look(plane, h, w, at) : copy(plane, h, w, at, copied);
                transform(lines, tiles + k * WIDTH + p * LANES, tile_gap);
              }
          for (long i = 0; i < SIZE; ++i) {
            const float* weight = conv.weight + (i * ci + c) * co + o;
            const auto multiply = c ? products<false> : products<true>;
            multiply(outputs, depth, weight, co, tiles + i * tile_gap, sums + i * sum_gap, 0);
          }
        }
        for (long k = 0; k < outputs; k += conv.shuffled ? 2 : 1)
          for (long p = 0; p < count; ++p) {
            const Place at = place(first + p);
            const long picture = at.n * co + o + k, begin = picture * pixels + at.y * w + at.x;
            const auto back = [&](long k, const float* plus, float* to, long pitch) {
              finish(sums + k * WIDTH + p * LANES, sum_gap, conv.bias[o + k], conv.slope, plus, to, pitch);
            };
            if (conv.shuffled) {  // outputs 4c, 4c + 1 make the even lines of channel c, the next two the odd ones
              for (int right : {0, 1}) back(k + right, nullptr, blocks[right][0], SPAN);
              put_in_turn(blocks[0], blocks[1], h, w, at, out + picture / 4 * 4 * pixels + k % 4 * w);
            } else if (at.y + OUT <= h && at.x + SPAN <= w) {
              back(k, conv.plus ? conv.plus + begin : nullptr, out + begin, w);
            } else {
              back(k, nullptr, blocks[0][0], SPAN);
              put(blocks[0], h, w, at, conv.plus ? conv.plus + begin : nullptr, out + begin);
            }
          }
      }
    }
  });
}

}  // namespace ppvsr
