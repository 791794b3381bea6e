// What Paddle knows of it: the operator `ppvsr_conv3x3_learning`, which takes the weight as it is and has a gradient.
#include <algorithm>
#include <vector>

#include "conv_inputs.h"
#include "report.h"

namespace {

ppvsr::Convolution describe(const std::vector<Tensor>& x, const Tensor& weight, const Tensor& bias, float slope,
                            bool shuffled) {
  ppvsr::Convolution conv = convolution_of(x);
  check(weight);
  conv.co = weight.shape()[0], conv.bias = bias.data<float>(), conv.slope = slope, conv.shuffled = shuffled;
  PD_CHECK(weight.shape() == (Shape{conv.co, conv.ci, 3, 3}) && bias.shape() == Shape{conv.co},
           "ppvsr_conv3x3: weight or bias do not fit the inputs");
  PD_CHECK(!shuffled || conv.co % 4 == 0,
           "ppvsr_conv3x3: the outputs cannot be shuffled, they are no multiple of 4");
  return conv;
}

Tensor empty(const Shape& shape, const Tensor& like) {
  return paddle::empty(shape, paddle::DataType::FLOAT32, like.place());
}

std::vector<Tensor> forward(const std::vector<Tensor>& x, const Tensor& weight, const Tensor& bias, float slope,
                            bool shuffled) {
  ppvsr::Convolution conv = describe(x, weight, bias, slope, shuffled);
  const ppvsr::Report report("conv3x3", conv.n, conv.ci, conv.co, conv.h, conv.w);
  const std::vector<float> transformed = ppvsr::transform_weight(weight.data<float>(), conv.ci, conv.co, false);
  conv.weight = transformed.data();
  Tensor out = shuffled ? empty({conv.n, conv.co / 4, 2 * conv.h, 2 * conv.w}, weight)
                        : empty({conv.n, conv.co, conv.h, conv.w}, weight);
  ppvsr::convolve(conv, out.data<float>());
  return {out};
}

// The gradients of all inputs, of the weight and of the bias.
std::vector<Tensor> backward(const std::vector<Tensor>& x, const Tensor& weight, const Tensor& bias, const Tensor& out,
                             const Tensor& grad, float slope, bool shuffled) {
  const ppvsr::Convolution conv = describe(x, weight, bias, slope, shuffled);
  const ppvsr::Report report("conv3x3_gradient", conv.n, conv.ci, conv.co, conv.h, conv.w);
  Tensor before = grad, by = empty(weight.shape(), weight), shift = empty(bias.shape(), weight);
  if (shuffled || slope != 1) {
    before = empty({conv.n, conv.co, conv.h, conv.w}, weight);
    ppvsr::undo(conv, out.data<float>(), grad.data<float>(), before.data<float>());
  }
  ppvsr::learn(conv, before.data<float>(), by.data<float>(), shift.data<float>());

  const std::vector<float> turned = ppvsr::transform_weight(weight.data<float>(), conv.ci, conv.co, true);
  const std::vector<float> nothing(conv.ci);
  ppvsr::Convolution back = convolution_of({before});
  back.co = conv.ci, back.weight = turned.data(), back.bias = nothing.data(), back.slope = 1;
  Tensor joined = empty({conv.n, conv.ci, conv.h, conv.w}, weight);
  ppvsr::convolve(back, joined.data<float>());
  if (x.size() == 1) return {joined, by, shift};

  std::vector<Tensor> all;
  const long pixels = conv.h * conv.w;
  long first = 0;
  for (const Tensor& each : x) {
    const long channels = each.shape()[1];
    all.push_back(empty(each.shape(), weight));
    for (long n = 0; n < conv.n; ++n)
      std::copy_n(joined.data<float>() + (n * conv.ci + first) * pixels, channels * pixels,
                  all.back().data<float>() + n * channels * pixels);
    first += channels;
  }
  all.push_back(by);
  all.push_back(shift);
  return all;
}

std::vector<Shape> shape_of_output(const std::vector<Shape>& x, const Shape& weight, const Shape&, float,
                                   bool shuffled) {
  const int64_t h = x[0][2], w = x[0][3];
  if (!shuffled) return {{x[0][0], weight[0], h, w}};
  return {{x[0][0], weight[0] / 4, 2 * h, 2 * w}};
}

std::vector<paddle::DataType> type_of_output(const std::vector<paddle::DataType>& x, const paddle::DataType&,
                                             const paddle::DataType&) {
  return {x[0]};
}

}  // namespace

PD_BUILD_OP(ppvsr_conv3x3_learning)
    .Inputs({paddle::Vec("X"), "Weight", "Bias"})
    .Outputs({"Out"})
    .Attrs({"slope: float", "shuffled: bool"})
    .SetKernelFn(PD_KERNEL(forward))
    .SetInferShapeFn(PD_INFER_SHAPE(shape_of_output))
    .SetInferDtypeFn(PD_INFER_DTYPE(type_of_output));

PD_BUILD_GRAD_OP(ppvsr_conv3x3_learning)
    .Inputs({paddle::Vec("X"), "Weight", "Bias", "Out", paddle::Grad("Out")})
    .Outputs({paddle::Grad(paddle::Vec("X")), paddle::Grad("Weight"), paddle::Grad("Bias")})
    .Attrs({"slope: float", "shuffled: bool"})
    .SetKernelFn(PD_KERNEL(backward));
