// What Paddle knows of it: the operator `ppvsr_offsets`, for programs only: it has no gradient.
#include "offsets.h"

#include <vector>

#include "paddle/phi/api/all.h"
#include "paddle/phi/api/ext/op_meta_info.h"
#include "report.h"

using paddle::Tensor;
using Shape = std::vector<int64_t>;
using Maybe = paddle::optional<Tensor>;

namespace {

const float* data(const Tensor& each, const Shape& shape) {
  PD_CHECK(each.dtype() == paddle::DataType::FLOAT32, "ppvsr_offsets: float32 is needed");
  PD_CHECK(each.layout() != phi::DataLayout::ONEDNN,
           "ppvsr_offsets: an input is in oneDNN's own layout; put paddle.assign before each input");
  PD_CHECK(each.shape() == shape, "ppvsr_offsets: an input does not fit the answer of the network");
  return each.data<float>();
}

std::vector<Tensor> run(const Tensor& answer, const std::vector<Tensor>& starts, const Maybe& mask, float reach) {
  const Shape in = answer.shape();
  const int64_t n = in.at(0), masks = in.at(1) / 3, h = in.at(2), w = in.at(3);
  const Shape offset_shape{n, 2 * masks, h, w}, mask_shape{n, masks, h, w};
  ppvsr::Offsets o{n, 2 * masks, h * w, reach, {}, nullptr, nullptr};
  if (mask) {
    o.offset = data(starts.at(0), offset_shape), o.mask = data(*mask, mask_shape);
  } else {
    PD_CHECK(masks % starts.size() == 0, "ppvsr_offsets: the groups cannot be shared out among the flows");
    for (const Tensor& flow : starts) o.flows.push_back(data(flow, {n, 2, h, w}));
  }
  const ppvsr::Report report("offsets", n, 3 * masks, 3 * masks, h, w);
  Tensor offsets = paddle::empty(offset_shape, paddle::DataType::FLOAT32, answer.place());
  Tensor made = paddle::empty(mask_shape, paddle::DataType::FLOAT32, answer.place());
  ppvsr::make_offsets(o, data(answer, {n, 3 * masks, h, w}), offsets.data<float>(), made.data<float>());
  return {offsets, made};
}

std::vector<Shape> shapes_of_output(const Shape& in, const std::vector<Shape>&, const paddle::optional<Shape>&, float) {
  return {{in[0], in[1] / 3 * 2, in[2], in[3]}, {in[0], in[1] / 3, in[2], in[3]}};
}

using Type = paddle::DataType;
std::vector<Type> types_of_output(const Type& answer, const std::vector<Type>&, const paddle::optional<Type>&) {
  return {answer, answer};
}

}  // namespace

PD_BUILD_OP(ppvsr_offsets)
    .Inputs({"Answer", paddle::Vec("Starts"), paddle::Optional("Mask")})  // flows, or an offset and its mask
    .Outputs({"Offset", "NewMask"})
    .Attrs({"reach: float"})
    .SetKernelFn(PD_KERNEL(run))
    .SetInferShapeFn(PD_INFER_SHAPE(shapes_of_output))
    .SetInferDtypeFn(PD_INFER_DTYPE(types_of_output));
