// Modulated deformable convolution on plain float arrays (NCHW); knows nothing of Paddle.
#pragma once

#include <cstddef>

namespace ppvsr {

struct Deform {
  long n, c, h, w;      // input
  long co, kh, kw;      // outputs, kernel
  long oh, ow;          // size of the output
  long sh, sw, ph, pw;  // stride, padding
  long dh, dw;          // dilation
  long dg, groups;      // deformable groups, groups of the convolution

  long taps() const { return kh * kw; }
  long pixels() const { return oh * ow; }
};

// Floats of working memory that the functions below need.
size_t forward_scratch(const Deform& d);
size_t backward_scratch(const Deform& d);

// x (n, c, h, w), offset (n, 2 * taps * dg, oh, ow), weight (co, c / groups, kh, kw), bias (co),
// mask (n, taps * dg, oh, ow) -> out (n, co, oh, ow).
void forward(const Deform& d, const float* x, const float* offset, const float* weight, const float* bias,
             const float* mask, float* out, float* scratch);

struct Gradients {
  float *x, *offset, *weight, *bias, *mask;
};

// grad (n, co, oh, ow) -> the gradients of all inputs. Every sum has one order, whatever the number of threads.
void backward(const Deform& d, const float* x, const float* offset, const float* weight, const float* mask,
              const float* grad, const Gradients& to, float* scratch);

}  // namespace ppvsr
