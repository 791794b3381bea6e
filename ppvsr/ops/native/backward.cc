// Every thread owns deformable groups of single pictures: no two threads add to the same number, and no sum depends on
// how many threads there are.
#include <algorithm>
#include <vector>

#include "deform.h"
#include "layout.h"
#include "matrix.h"
#include "parallel.h"
#include "sampling.h"

namespace ppvsr {
namespace {

long columns(const Deform& d, const Run& run) { return round_up(d.taps() * run.width, LANES); }

// Where the parts of the working memory begin.
struct Parts {
  size_t pictures, grads, lines, matrices, weights, end;

  explicit Parts(const Deform& d) {
    size_t all = 0;
    for (const Run& run : runs(d)) all += columns(d, run);
    pictures = 0;                                                   // of `lay_out`
    grads = pictures + d.n * d.dg * picture(d);                     // the same for the gradient of x
    lines = grads + d.n * d.dg * picture(d);                        // what comes in, pixel by pixel, with whole tiles
    matrices = lines + d.n * tiles(d) * TILE * d.groups * ppvsr::lines(d);
    weights = matrices + all * (d.co / d.groups);                   // for each run (outputs, columns)
    end = weights + d.n * all * ppvsr::lines(d);                    // for each picture and run (columns, outputs)
  }
};

// The products of what comes in with the four pixels around each spot, summed over the channels.
struct Along {
  alignas(64) float with[TILE][4];
};

// The sums of the four packs, in the order of the packs.
inline Vec<4> totals(const Vec<4>* packs) {
  const Vec<4> a = shuffle<0, 4, 1, 5>(packs[0], packs[1]) + shuffle<2, 6, 3, 7>(packs[0], packs[1]);
  const Vec<4> b = shuffle<0, 4, 1, 5>(packs[2], packs[3]) + shuffle<2, 6, 3, 7>(packs[2], packs[3]);
  return shuffle<0, 1, 4, 5>(a, b) + shuffle<2, 3, 6, 7>(a, b);
}

// For one tap and W channels: `column` comes as the gradient of what was sampled and becomes what was sampled.
// The gradient goes on into the picture `grad`, laid out as the one read, `from`; `below` is how far its lines, `right`
// how far its pixels lie apart.
template <int W>
APART void scatter(const Spots& s, const float* from, float* grad, long below, long right, float* column, long step,
             Along& along) {
  const long near[4] = {0, right, below, below + right};
  for (int p = 0; p < TILE; ++p, column += step) {
    const float* at = from + s.at[p];
    float* to = grad + s.at[p];
    const Vec<W> came = load<W>(column);
    Vec<W> sum = {};
    for (int k = 0; k < 4; ++k) sum += s.share[k][p] * load<W>(at + near[k]);
    if constexpr (W == 1) {
      for (int k = 0; k < 4; ++k) along.with[p][k] += came * at[near[k]];
    } else {
      Vec<4> products[4] = {};
      for (int k = 0; k < 4; ++k)
        for (int c = 0; c < W; c += 4) products[k] += load<4>(column + c) * load<4>(at + near[k] + c);
      store<4>(along.with[p], load<4>(along.with[p]) + totals(products));
    }
    store<W>(column, sum);
    for (int k = 0; k < 4; ++k) store<W>(to + near[k], load<W>(to + near[k]) + s.share[k][p] * came);
  }
}

// The gradients of offset and mask at one tap, from the products that `scatter` collected.
APART void differentiate(const Spots& s, const Along& along, long count, float* dy, float* dx, float* dm) {
  for (long p = 0; p < count; ++p) {
    const float* with = along.with[p];
    const float b = s.down[p], r = s.right[p];
    const float upper = with[0] + r * (with[1] - with[0]), lower = with[2] + r * (with[3] - with[2]);
    dy[p] = s.mask[p] * (lower - upper);
    dx[p] = s.mask[p] * (with[1] - with[0] + b * (with[3] - with[2] - (with[1] - with[0])));
    dm[p] = upper + b * (lower - upper);
  }
}

// grad (n, co, pixels) of the tiles -> pixel by pixel, padded by zeros on both sides.
void lay_out_lines(const Deform& d, const float* grad, float* to, long n) {
  const long line = d.groups * lines(d), cog = d.co / d.groups;
  std::fill_n(to + n * tiles(d) * TILE * line, tiles(d) * TILE * line, 0.f);
  for (long g = 0; g < d.groups; ++g)
    interleave(grad + (n * d.co + g * cog) * d.pixels(), d.pixels(), cog, d.pixels(),
               to + n * tiles(d) * TILE * line + g * lines(d), line);
}

// weight (co, c / groups, taps) -> (outputs of a group, columns), the columns of a run: taps, then channels.
void pack(const Deform& d, const float* weight, const Run& run, float* to) {
  const long cg = d.c / d.groups, cog = d.co / d.groups, taps = d.taps(), width = columns(d, run);
  std::fill_n(to, cog * width, 0.f);
  for (long o = 0; o < cog; ++o)
    for (long i = 0; i < run.width; ++i)
      for (long t = 0; t < taps; ++t)
        to[o * width + t * run.width + i] = weight[((run.group * cog + o) * cg + run.inner + i) * taps + t];
}

// What `pack` does, backwards, summing over the pictures; from (n, all, lines), this run's part of it.
void unpack(const Deform& d, const float* from, size_t gap, const Run& run, float* to) {
  const long cg = d.c / d.groups, cog = d.co / d.groups, taps = d.taps();
  for (long o = 0; o < cog; ++o)
    for (long i = 0; i < run.width; ++i)
      for (long t = 0; t < taps; ++t) {
        float sum = 0;
        for (long n = 0; n < d.n; ++n) sum += from[n * gap + (t * run.width + i) * lines(d) + o];
        to[((run.group * cog + o) * cg + run.inner + i) * taps + t] = sum;
      }
}

float sum_of(const Deform& d, const float* grad, long output) {
  float sum = 0;
  for (long n = 0; n < d.n; ++n) {
    float part[LANES] = {};
    const float* from = grad + (n * d.co + output) * d.pixels();
    for (long p = 0; p < d.pixels(); ++p) part[p % LANES] += from[p];
    for (float each : part) sum += each;
  }
  return sum;
}

}  // namespace

size_t backward_scratch(const Deform& d) { return Parts(d).end; }

void backward(const Deform& d, const float* x, const float* offset, const float* weight, const float* mask,
              const float* grad, const Gradients& to, float* scratch) {
  const long cd = d.c / d.dg, cog = d.co / d.groups, taps = d.taps(), pixels = d.pixels();
  const long width = lines(d), line = d.groups * width;
  const std::vector<Run> all = runs(d);
  const Parts parts(d);
  std::vector<size_t> begin{0};  // first column of each run
  for (const Run& run : all) begin.push_back(begin.back() + columns(d, run));
  for (size_t r = 0; r < all.size(); ++r) pack(d, weight, all[r], scratch + parts.matrices + begin[r] * cog);
  each(d.n, [&](long n) { lay_out_lines(d, grad, scratch + parts.lines, n); });
  each(d.co, [&](long output) { to.bias[output] = sum_of(d, grad, output); });
  share(d.n * d.dg, 1, [&](const auto& take) {
    std::vector<float> column(TILE * begin.back());
    std::vector<Spots> spots(taps);
    std::vector<Along> along(taps);
    for (long item; (item = take()) < d.n * d.dg;) {
      const long n = item / d.dg, g = item % d.dg;
      float* const from = scratch + parts.pictures + item * picture(d);
      float* const into = scratch + parts.grads + item * picture(d);
      lay_out(d, x, scratch + parts.pictures, item);
      std::fill_n(into, picture(d), 0.f);
      for (size_t r = 0; r < all.size(); ++r)
        if (all[r].dg == g)
          std::fill_n(scratch + parts.weights + (n * begin.back() + begin[r]) * width, columns(d, all[r]) * width, 0.f);
      for (long first = 0; first < pixels; first += TILE) {
        const long count = std::min<long>(TILE, pixels - first);
        const float* lit = scratch + parts.lines + (n * tiles(d) * TILE + first) * line;
        const Places place = places(d, first);
        for (long t = 0; t < taps; ++t) locate(d, place, offset, mask, item, t, first, count, spots[t]);
        std::fill(along.begin(), along.end(), Along{});
        for (size_t r = 0; r < all.size(); ++r) {
          const Run& run = all[r];
          if (run.dg != g) continue;
          const long step = columns(d, run);
          std::fill_n(column.data(), TILE * step, 0.f);
          multiply(TILE, step, cog, lit + run.group * width, line, 1, scratch + parts.matrices + begin[r] * cog, step,
                   column.data(), step);
          for (long t = 0; t < taps; ++t)
            strips(run.width, [&](auto w, long c) {
              scatter<decltype(w)::value>(spots[t], from + run.within + c, into + run.within + c,
                                          pitch(d) * cd, cd, &column[t * run.width + c], step, along[t]);
            });
          multiply(taps * run.width, width, TILE, column.data(), 1, step, lit + run.group * width, line,
                   scratch + parts.weights + (n * begin.back() + begin[r]) * width, width);
        }
        for (long t = 0; t < taps; ++t) {
          float* shift = to.offset + 2 * (item * taps + t) * pixels + first;
          differentiate(spots[t], along[t], count, shift, shift + pixels, to.mask + (item * taps + t) * pixels + first);
        }
      }
      for (long row = 0; row < d.h; ++row)
        part(into + origin(d) + row * pitch(d) * cd, cd, cd, d.w, to.x + (item * cd * d.h + row) * d.w, d.h * d.w);
    }
  });
  each(all.size(), [&](long r) {
    unpack(d, scratch + parts.weights + begin[r] * width, begin.back() * width, all[r], to.weight);
  });
}

}  // namespace ppvsr
