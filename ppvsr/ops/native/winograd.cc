// Winograd's F(4x4, 3x3) (arXiv 1509.09308): 4x4 outputs take 36 products of every pair of channels instead of 144.
//
//   outputs = A' [(G weight G') * (B' tile B)] A, where a tile is 6x6 pixels
//
// Weights come as G weight G'. A thread takes a few packs of tiles that lie side by side, transforms them, multiplies
// matrices for each of the 36 places in a tile and transforms back; all of that stays in its cache.
#include "winograd.h"

#include <algorithm>

#include "matrix.h"
#include "parallel.h"
#include "tiles.h"

namespace ppvsr {
namespace {

constexpr int PACKS = 3, WIDTH = PACKS * LANES;             // tiles that are multiplied together
constexpr int STRIP = LANES == 16 ? 8 : 4;                  // outputs of it: PACKS * STRIP sums fit the registers
constexpr long SHALLOW = 64, DEEP = 32, BROAD = 32;         // channels that stay in the cache

// A' of six numbers.
inline void outwards(const Floats (&m)[EDGE], Floats (&to)[OUT]) {
  const Floats near = m[1] + m[2], far = m[3] + m[4], tilt = m[1] - m[2], lean = m[3] - m[4];
  to[0] = m[0] + near + far;
  to[1] = tilt + 2.f * lean;
  to[2] = near + 4.f * far;
  to[3] = tilt + 8.f * lean + m[5];
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
