// A matrix product for small matrices that lie in the cache, by the compiler's vector types.
#pragma once

// A function of its own: inlined into much else, an inner loop would have to share its registers.
#define APART static __attribute__((noinline))

namespace ppvsr {

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 12;  // 24 of 32 registers are sums
#elif defined(__AVX__)
constexpr int LANES = 8, ROWS = 6;  // 12 of 16
#else
constexpr int LANES = 4, ROWS = 6;
#endif
constexpr int TILE = 48;  // pixels that are sampled and multiplied together; a multiple of ROWS and of LANES

// W numbers, anywhere in memory.
template <class T, int W>
struct Pack {
  typedef T type __attribute__((vector_size(4 * W), aligned(4)));
};
template <class T>
struct Pack<T, 1> {
  typedef T type;
};

template <int W>
using Vec = typename Pack<float, W>::type;
typedef float Floats __attribute__((vector_size(4 * LANES)));  // for variables: where such numbers lie is aligned
typedef int Ints __attribute__((vector_size(4 * LANES)));

template <int W>
inline Vec<W> load(const float* from) {
  return *reinterpret_cast<const Vec<W>*>(from);
}

template <int W, class T>
inline void store(T* to, typename Pack<T, W>::type values) {
  *reinterpret_cast<typename Pack<T, W>::type*>(to) = values;
}

// Four of the eight numbers of a and b, by their places.
template <int I, int J, int K, int L>
inline Vec<4> shuffle(Vec<4> a, Vec<4> b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, I, J, K, L);
#else
  return __builtin_shuffle(a, b, Pack<int, 4>::type{I, J, K, L});
#endif
}

inline long round_up(long value, long unit) { return (value + unit - 1) / unit * unit; }

// c[r][v] += sum over k of a[r * ar + k * ak] * b[k * ldb + v], for R rows and V packs of columns.
template <int R, int V>
APART void block(long depth, const float* a, long ar, long ak, const float* b, long ldb, float* c, long ldc) {
  Vec<LANES> sum[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[r][v] = load<LANES>(c + r * ldc + v * LANES);
  for (long k = 0; k < depth; ++k, a += ak, b += ldb) {
    Vec<LANES> line[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) line[v] = load<LANES>(b + v * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] += a[r * ar] * line[v];
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store<LANES>(c + r * ldc + v * LANES, sum[r][v]);
}

template <int V>
inline void columns(long rows, long depth, const float* a, long ar, long ak, const float* b, long ldb, float* c,
                    long ldc) {
  long r = 0;
  for (; r + ROWS <= rows; r += ROWS) block<ROWS, V>(depth, a + r * ar, ar, ak, b, ldb, c + r * ldc, ldc);
  for (; r < rows; ++r) block<1, V>(depth, a + r * ar, ar, ak, b, ldb, c + r * ldc, ldc);
}

// c (rows, width) += a (rows, depth; any strides) times b (depth, width). `width`, a multiple of LANES, is that of
// the lines of `b` as they lie in memory; those of `c` are `ldc` apart.
inline void multiply(long rows, long width, long depth, const float* a, long ar, long ak, const float* b, long ldb,
                     float* c, long ldc) {
  long v = 0;
  for (; v + 2 * LANES <= width; v += 2 * LANES) columns<2>(rows, depth, a, ar, ak, b + v, ldb, c + v, ldc);
  if (v < width) columns<1>(rows, depth, a, ar, ak, b + v, ldb, c + v, ldc);
}

}  // namespace ppvsr
