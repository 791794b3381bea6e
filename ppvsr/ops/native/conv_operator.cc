// What Paddle knows of it: the operator `ppvsr_conv3x3`, for programs only: it has no gradient.
#include <vector>

#include "conv_inputs.h"
#include "report.h"

namespace {

std::vector<Tensor> run(const std::vector<Tensor>& x, const Tensor& weight, const Tensor& bias,
                        const paddle::optional<Tensor>& plus, float slope, bool shuffled) {
  ppvsr::Convolution conv = convolution_of(x);
  const Shape by = weight.shape();
  conv.co = by.at(2), conv.weight = weight.data<float>(), conv.bias = bias.data<float>(), conv.slope = slope;
  PD_CHECK(by == (Shape{36, conv.ci, conv.co}) && bias.shape() == Shape{conv.co},
           "ppvsr_conv3x3: weight or bias do not fit the inputs");
  Shape out{conv.n, conv.co, conv.h, conv.w};
  if (plus) {
    check(*plus);
    PD_CHECK(plus->shape() == out && !shuffled, "ppvsr_conv3x3: what is to be added does not fit the output");
    conv.plus = plus->data<float>();
  }
  if (shuffled) {
    PD_CHECK(conv.co % 4 == 0, "ppvsr_conv3x3: the outputs cannot be shuffled, they are no multiple of 4");
    conv.shuffled = true;
    out = {conv.n, conv.co / 4, 2 * conv.h, 2 * conv.w};
  }
  Tensor result = paddle::empty(out, paddle::DataType::FLOAT32, weight.place());
  const ppvsr::Report report("conv3x3", conv.n, conv.ci, conv.co, conv.h, conv.w);
  ppvsr::convolve(conv, result.data<float>());
  return {result};
}

std::vector<Shape> shape_of_output(const std::vector<Shape>& x, const Shape& weight, const Shape&,
                                   const paddle::optional<Shape>&, float, bool shuffled) {
  const int64_t h = x[0][2], w = x[0][3];  // -1 while a program is made
  if (!shuffled) return {{x[0][0], weight[2], h, w}};
  return {{x[0][0], weight[2] / 4, h < 0 ? h : 2 * h, w < 0 ? w : 2 * w}};
}

std::vector<paddle::DataType> type_of_output(const std::vector<paddle::DataType>& x, const paddle::DataType&,
                                             const paddle::DataType&, const paddle::optional<paddle::DataType>&) {
  return {x[0]};
}

}  // namespace

PD_BUILD_OP(ppvsr_conv3x3)
    .Inputs({paddle::Vec("X"), "Weight", "Bias", paddle::Optional("Plus")})
    .Outputs({"Out"})
    .Attrs({"slope: float", "shuffled: bool"})
    .SetKernelFn(PD_KERNEL(run))
    .SetInferShapeFn(PD_INFER_SHAPE(shape_of_output))
    .SetInferDtypeFn(PD_INFER_DTYPE(type_of_output));
