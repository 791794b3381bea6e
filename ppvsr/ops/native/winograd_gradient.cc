// The gradient of the weight, by the same tiles (winograd.cc):
//
//   gradient = G' [sum over all tiles of (A grad A') * (B' tile B)] G
//
// where for each of the 36 places in a tile the sum is a product of two matrices: (outputs, tiles) by (tiles, inputs).
// The gradient of the input is a convolution itself: of the other gradient by the weight, turned around.
#include <algorithm>
#include <vector>

#include "matrix.h"
#include "parallel.h"
#include "tiles.h"
#include "winograd.h"

namespace ppvsr {
namespace {

constexpr int KERNEL = 3, TAPS = KERNEL * KERNEL;
constexpr long PACKS = 4, TILES = PACKS * LANES;  // tiles that are multiplied together
constexpr long DEEP = 32;                         // inputs at once: what belongs to them stays in the cache
constexpr long MOST = 16;                         // sums of their own that are added in the end, whatever the threads
constexpr float G[EDGE][KERNEL] = {{1 / 4.f, 0, 0},           {-1 / 6.f, -1 / 6.f, -1 / 6.f},
                                   {-1 / 6.f, 1 / 6.f, -1 / 6.f}, {1 / 24.f, 1 / 12.f, 1 / 6.f},
                                   {1 / 24.f, -1 / 12.f, 1 / 6.f}, {0, 0, 1}};

// A of four numbers.
inline void spread(const Floats (&m)[OUT], Floats (&to)[EDGE]) {
  const Floats even = m[0] + m[2], odd = m[1] + m[3], far = m[0] + 4.f * m[2], lean = 2.f * m[1] + 8.f * m[3];
  to[0] = m[0];
  to[1] = even + odd;
  to[2] = even - odd;
  to[3] = far + lean;
  to[4] = far - lean;
  to[5] = m[3];
}

// Transform what came in at a pack of tiles, four lines `pitch` apart: place i of the tiles to to[i * gap].
APART void transform_gradient(const float* from, long pitch, float* to, long gap) {
  Floats half[OUT][EDGE], in[OUT], out[EDGE], pixels[OUT][OUT];  // pixels: column, row
  for (int i = 0; i < OUT; ++i, from += pitch) {
    Floats part[OUT];
#pragma GCC unroll 4
    for (int v = 0; v < OUT; ++v) part[v] = load<LANES>(from + v * LANES);
    const Floats even = evens(part[0], part[1]), even2 = evens(part[2], part[3]);
    const Floats odd = odds(part[0], part[1]), odd2 = odds(part[2], part[3]);
    pixels[0][i] = evens(even, even2), pixels[1][i] = evens(odd, odd2);
    pixels[2][i] = odds(even, even2), pixels[3][i] = odds(odd, odd2);
  }
  for (int j = 0; j < OUT; ++j) spread(pixels[j], half[j]);
  for (int i = 0; i < EDGE; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < OUT; ++j) in[j] = half[j][i];
    spread(in, out);
#pragma GCC unroll 6
    for (int j = 0; j < EDGE; ++j) store<LANES>(to + (i * EDGE + j) * gap, out[j]);
  }
}

// LANES lines of as many numbers, one after another, become columns: lines of `to` lie `pitch` apart.
APART void transpose(const float* from, float* to, long pitch) {
  Floats lines[LANES], next[LANES];
#pragma GCC unroll 16
  for (int i = 0; i < LANES; ++i) lines[i] = load<LANES>(from + i * LANES);
#pragma GCC unroll 4
  for (int width = 1; width < LANES; width *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < LANES / 2; ++i) {
      next[2 * i] = zip_low(lines[i], lines[i + LANES / 2]);
      next[2 * i + 1] = zip_high(lines[i], lines[i + LANES / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) lines[i] = next[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < LANES; ++i) store<LANES>(to + i * pitch, lines[i]);
}

// How tiles are shared out, and where the working memory of a share has its parts.
struct Shares {
  long across, down, packs, each, count;      // packs beside and below each other, all, of a share; number of shares
  long depth, wide;                           // inputs at once, padded; all of them, padded
  long grad_gap, tile_gap, sum_gap, scratch;  // floats; no multiples of a page

  explicit Shares(const Convolution& c) {
    across = (c.w + SPAN - 1) / SPAN, down = (c.h + OUT - 1) / OUT, packs = c.n * down * across;
    each = round_up((packs + MOST - 1) / MOST, PACKS), count = (packs + each - 1) / each;
    wide = round_up(c.ci, LANES), depth = std::min(wide, round_up(DEEP, LANES));
    grad_gap = c.co * TILES + LANES, tile_gap = TILES * depth + LANES, sum_gap = c.co * wide + LANES;
    scratch = SIZE * (grad_gap + tile_gap + LANES * LANES);
  }
  Place place(long pack) const { return {pack / across / down, pack / across % down * OUT, pack % across * SPAN}; }
};

// Transform packs `first` to `first + count` of the inputs from `c` on -> to[place * gap + (tile, depth)].
void prepare_inputs(const Convolution& conv, const Shares& s, long first, long count, long c, float* block, float* to) {
  alignas(64) float copied[EDGE][LINE];
  for (long p = 0; p < count; ++p) {
    const Place at = s.place(first + p);
    for (long k = 0; k < s.depth; k += LANES) {
      for (long i = 0; i < LANES; ++i) {
        float* const line = block + i * LANES;
        if (c + k + i >= conv.ci) {
          for (long place = 0; place < SIZE; ++place) std::fill_n(line + place * LANES * LANES, LANES, 0.f);
          continue;
        }
        const float* plane = conv.planes[at.n * conv.ci + c + k + i];
        const Lines lines = at.x + SPAN <= conv.w ? look(plane, conv.h, conv.w, at)
                                                  : copy(plane, conv.h, conv.w, at, copied);
        transform(lines, line, LANES * LANES);
      }
      for (long place = 0; place < SIZE; ++place)
        transpose(block + place * LANES * LANES, to + place * s.tile_gap + p * LANES * s.depth + k, s.depth);
    }
  }
}

// The same of what came in at all outputs -> to[place * gap + (output, tile)].
void prepare_gradients(const Convolution& conv, const Shares& s, long first, long count, const float* grad, float* to) {
  alignas(64) float copied[OUT][SPAN];
  for (long p = 0; p < count; ++p) {
    const Place at = s.place(first + p);
    const long rows = std::min<long>(OUT, conv.h - at.y), span = std::min<long>(SPAN, conv.w - at.x);
    for (long o = 0; o < conv.co; ++o) {
      const float* from = grad + ((at.n * conv.co + o) * conv.h + at.y) * conv.w + at.x;
      long pitch = conv.w;
      if (rows < OUT || span < SPAN) {  // outside of the picture nothing came in
        std::fill_n(copied[0], OUT * SPAN, 0.f);
        for (long i = 0; i < rows; ++i) std::copy_n(from + i * pitch, span, copied[i]);
        from = copied[0], pitch = SPAN;
      }
      transform_gradient(from, pitch, to + o * TILES + p * LANES, s.grad_gap);
    }
  }
}

// G' sums G of the 36 sums of one pair of channels, `gap` apart.
void finish(const float* sums, long gap, float* to) {
  float half[KERNEL][EDGE] = {};
  for (int a = 0; a < KERNEL; ++a)
    for (int i = 0; i < EDGE; ++i)
      for (int j = 0; j < EDGE; ++j) half[a][j] += G[i][a] * sums[(i * EDGE + j) * gap];
  for (int a = 0; a < KERNEL; ++a)
    for (int b = 0; b < KERNEL; ++b) {
      to[a * KERNEL + b] = 0;
      for (int j = 0; j < EDGE; ++j) to[a * KERNEL + b] += half[a][j] * G[j][b];
    }
}

float sum_of(const Convolution& conv, const float* grad, long output) {
  const long pixels = conv.h * conv.w;
  float sum = 0;
  for (long n = 0; n < conv.n; ++n) {
    const float* from = grad + (n * conv.co + output) * pixels;
    Floats part{};
    long p = 0;
    for (; p + LANES <= pixels; p += LANES) part += load<LANES>(from + p);
    for (int i = 0; i < LANES; ++i) sum += part[i];
    for (; p < pixels; ++p) sum += from[p];
  }
  return sum;
}

// One line of w pixels as it was before the activation; `step` pixels of what came in lie between two of them.
template <int STEP>
APART void undo_line(long w, float slope, const float* out, const float* grad, float* to) {
  for (long x = 0; x < w; ++x) to[x] = out[STEP * x] > 0 ? grad[STEP * x] : slope * grad[STEP * x];
}

}  // namespace

std::vector<float> transform_weight(const float* weight, long ci, long co, bool back) {
  std::vector<float> to(SIZE * ci * co);
  for (long o = 0; o < co; ++o)
    for (long c = 0; c < ci; ++c, weight += TAPS) {
      float half[EDGE][KERNEL];
      for (int i = 0; i < EDGE; ++i)
        for (int b = 0; b < KERNEL; ++b) {
          half[i][b] = 0;
          for (int a = 0; a < KERNEL; ++a)
            half[i][b] += G[i][a] * weight[back ? TAPS - 1 - (a * KERNEL + b) : a * KERNEL + b];
        }
      float* const at = &to[back ? o * ci + c : c * co + o];
      for (int i = 0; i < EDGE; ++i)
        for (int j = 0; j < EDGE; ++j)
          at[(i * EDGE + j) * ci * co] = half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2];
    }
  return to;
}

void undo(const Convolution& conv, const float* out, const float* grad, float* to) {
  const long w = conv.w, lines = conv.n * conv.co * conv.h;
  share(lines, 64, [&](const auto& take) {
    for (long line; (line = take()) < lines;) {
      long from = line * w;
      if (conv.shuffled) {  // outputs 4c, 4c + 1 made the even lines of channel c, the next two the odd ones
        const long y = line % conv.h, plane = line / conv.h, k = plane % 4;
        from = ((plane / 4 * conv.h + y) * 2 + k / 2) * 2 * w + k % 2;
        undo_line<2>(w, conv.slope, out + from, grad + from, to + line * w);
      } else {
        undo_line<1>(w, conv.slope, out + from, grad + from, to + line * w);
      }
    }
  });
}

void learn(const Convolution& conv, const float* grad, float* weight, float* bias) {
  const Shares s(conv);
  const long size = SIZE * s.sum_gap;
  std::vector<float> sums(s.count * size);
  each(conv.co, [&](long output) { bias[output] = sum_of(conv, grad, output); });
  share(s.count, 1, [&](const auto& take) {
    static thread_local std::vector<float> scratch;  // kept: making it takes longer than a small convolution
    scratch.resize(std::max<size_t>(scratch.size(), s.scratch));
    float* const grads = scratch.data();
    float* const tiles = grads + SIZE * s.grad_gap;
    float* const block = tiles + SIZE * s.tile_gap;
    for (long item; (item = take()) < s.count;) {
      float* const mine = &sums[item * size];
      const long end = std::min(s.packs, (item + 1) * s.each);
      for (long first = item * s.each; first < end; first += PACKS) {
        const long count = std::min(PACKS, end - first);
        prepare_gradients(conv, s, first, count, grad, grads);
        for (long c = 0; c < conv.ci; c += s.depth) {
          prepare_inputs(conv, s, first, count, c, block, tiles);
          for (long i = 0; i < SIZE; ++i)
            multiply(conv.co, std::min(s.depth, s.wide - c), count * LANES, grads + i * s.grad_gap, TILES, 1,
                     tiles + i * s.tile_gap, s.depth, mine + i * s.sum_gap + c, s.wide);
        }
      }
    }
  });
  each(conv.co, [&](long o) {
    for (long i = 0; i < SIZE; ++i)
      for (long item = 1; item < s.count; ++item)
        for (long c = 0, at = i * s.sum_gap + o * s.wide; c < conv.ci; ++c) sums[at + c] += sums[item * size + at + c];
    for (long c = 0; c < conv.ci; ++c) finish(&sums[o * s.wide + c], s.sum_gap, weight + (o * conv.ci + c) * TAPS);
  });
}

}  // namespace ppvsr
