// What Paddle knows of it: the operator `ppvsr_deform_conv2d`, its gradient, shapes and types.
#include <vector>

#include "deform.h"
#include "paddle/phi/api/all.h"
#include "paddle/phi/api/ext/op_meta_info.h"
#include "report.h"

using paddle::Tensor;
using Shape = std::vector<int64_t>;
using Ints = std::vector<int>;

namespace {

ppvsr::Deform describe(const Tensor& x, const Tensor& offset, const Tensor& weight, const Tensor& bias,
                       const Tensor& mask, const Ints& stride, const Ints& padding, const Ints& dilation, int dg,
                       int groups) {
  for (const Tensor* each : {&x, &offset, &weight, &bias, &mask}) {
    PD_CHECK(each->dtype() == paddle::DataType::FLOAT32, "ppvsr_deform_conv2d: float32 is needed");
    PD_CHECK(each->layout() != phi::DataLayout::ONEDNN,
             "ppvsr_deform_conv2d: an input is in oneDNN's own layout; put paddle.assign before each input");
  }
  const Shape in = x.shape(), by = weight.shape(), at = offset.shape();
  ppvsr::Deform d{in[0], in[1], in[2], in[3], by[0], by[2], by[3], at[2], at[3], stride[0], stride[1], padding[0],
                  padding[1], dilation[0], dilation[1], dg, groups};
  PD_CHECK(dg > 0 && groups > 0 && d.c % dg == 0 && d.c % groups == 0 && d.co % groups == 0 && by[1] == d.c / groups,
           "ppvsr_deform_conv2d: channels do not fit the groups or the weight");
  PD_CHECK(d.oh == (d.h + 2 * d.ph - d.dh * (d.kh - 1) - 1) / d.sh + 1 &&
               d.ow == (d.w + 2 * d.pw - d.dw * (d.kw - 1) - 1) / d.sw + 1,
           "ppvsr_deform_conv2d: the offset has not the size of the output");
  PD_CHECK(at == (Shape{d.n, 2 * dg * d.taps(), d.oh, d.ow}) && mask.shape() == (Shape{d.n, dg * d.taps(), d.oh, d.ow}),
           "ppvsr_deform_conv2d: offset or mask do not fit x and the weight");
  PD_CHECK(bias.shape() == Shape{d.co}, "ppvsr_deform_conv2d: the bias does not fit the weight");
  PD_CHECK((d.h + 3) * (d.w + 2) * (d.c / dg) < (1L << 31), "ppvsr_deform_conv2d: the picture is too large");
  return d;
}

Tensor empty(const Shape& shape, const Tensor& like) {
  return paddle::empty(shape, paddle::DataType::FLOAT32, like.place());
}

std::vector<Tensor> forward(const Tensor& x, const Tensor& offset, const Tensor& weight, const Tensor& bias,
                            const Tensor& mask, const Ints& stride, const Ints& padding, const Ints& dilation, int dg,
                            int groups) {
  const ppvsr::Deform d = describe(x, offset, weight, bias, mask, stride, padding, dilation, dg, groups);
  const ppvsr::Report report(d.taps() == 1 ? "warp" : "deform_conv2d", d.n, d.c, d.co, d.oh, d.ow);
  Tensor out = empty({d.n, d.co, d.oh, d.ow}, x), scratch = empty({int64_t(ppvsr::forward_scratch(d))}, x);
  ppvsr::forward(d, x.data<float>(), offset.data<float>(), weight.data<float>(), bias.data<float>(),
                 mask.data<float>(), out.data<float>(), scratch.data<float>());
  return {out};
}

std::vector<Tensor> backward(const Tensor& x, const Tensor& offset, const Tensor& weight, const Tensor& bias,
                             const Tensor& mask, const Tensor& grad, const Ints& stride, const Ints& padding,
                             const Ints& dilation, int dg, int groups) {
  const ppvsr::Deform d = describe(x, offset, weight, bias, mask, stride, padding, dilation, dg, groups);
  std::vector<Tensor> all;
  for (const Tensor* each : {&x, &offset, &weight, &bias, &mask}) all.push_back(empty(each->shape(), x));
  Tensor scratch = empty({int64_t(ppvsr::backward_scratch(d))}, x);
  ppvsr::backward(d, x.data<float>(), offset.data<float>(), weight.data<float>(), mask.data<float>(),
                  grad.data<float>(),
                  {all[0].data<float>(), all[1].data<float>(), all[2].data<float>(), all[3].data<float>(),
                   all[4].data<float>()},
                  scratch.data<float>());
  return all;
}

std::vector<Shape> shape_of_output(const Shape& x, const Shape& offset, const Shape& weight, const Shape&,
                                   const Shape&, const Ints&, const Ints&, const Ints&, int, int) {
  return {{x[0], weight[0], offset[2], offset[3]}};
}

std::vector<paddle::DataType> type_of_output(const paddle::DataType& x, const paddle::DataType&,
                                             const paddle::DataType&, const paddle::DataType&,
                                             const paddle::DataType&) {
  return {x};
}

}  // namespace

PD_BUILD_OP(ppvsr_deform_conv2d)
    .Inputs({"X", "Offset", "Weight", "Bias", "Mask"})
    .Outputs({"Out"})
    .Attrs({"stride: std::vector<int>", "padding: std::vector<int>", "dilation: std::vector<int>",
            "deformable_groups: int", "groups: int"})
    .SetKernelFn(PD_KERNEL(forward))
    .SetInferShapeFn(PD_INFER_SHAPE(shape_of_output))
    .SetInferDtypeFn(PD_INFER_DTYPE(type_of_output));

PD_BUILD_GRAD_OP(ppvsr_deform_conv2d)
    .Inputs({"X", "Offset", "Weight", "Bias", "Mask", paddle::Grad("Out")})
    .Outputs({paddle::Grad("X"), paddle::Grad("Offset"), paddle::Grad("Weight"), paddle::Grad("Bias"),
              paddle::Grad("Mask")})
    .Attrs({"stride: std::vector<int>", "padding: std::vector<int>", "dilation: std::vector<int>",
            "deformable_groups: int", "groups: int"})
    .SetKernelFn(PD_KERNEL(backward));
