// Several tensors of Paddle's as the input of one convolution.
#pragma once

#include <vector>

#include "paddle/phi/api/all.h"
#include "paddle/phi/api/ext/op_meta_info.h"
#include "winograd.h"

using paddle::Tensor;
using Shape = std::vector<int64_t>;

inline void check(const Tensor& each) {
  PD_CHECK(each.dtype() == paddle::DataType::FLOAT32, "ppvsr_conv3x3: float32 is needed");
  PD_CHECK(each.layout() != phi::DataLayout::ONEDNN,
           "ppvsr_conv3x3: an input is in oneDNN's own layout; put paddle.assign before each input");
}

// x (n, *, h, w), joined by channels. What comes out of them, and how, is still to be said.
inline ppvsr::Convolution convolution_of(const std::vector<Tensor>& x) {
  const Shape in = x.at(0).shape();
  ppvsr::Convolution conv{in[0], in[2], in[3]};
  for (const Tensor& each : x) {
    check(each);
    PD_CHECK(each.shape()[0] == conv.n && each.shape()[2] == conv.h && each.shape()[3] == conv.w,
             "ppvsr_conv3x3: the inputs have different sizes");
    conv.ci += each.shape()[1];
  }
  const long pixels = conv.h * conv.w;
  for (long n = 0; n < conv.n; ++n)
    for (const Tensor& each : x)
      for (long c = 0; c < each.shape()[1]; ++c)
        conv.planes.push_back(each.data<float>() + (n * each.shape()[1] + c) * pixels);
  return conv;
}
