// Gradients: what a tensor asks for, what it has, and running the recorded graph backwards.
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>
#include <vector>

#include "shim.h"

struct ct_inference_s {
  c10::InferenceMode guard{true};
};

bool ct_tensor_requires_gradient(ct_tensor t) { return t->value.requires_grad(); }

int32_t ct_tensor_set_requires_gradient(ct_tensor t, bool required) {
  return shim::guarded([&] { t->value.set_requires_grad(required); });
}

int32_t ct_tensor_gradient(ct_tensor t, ct_tensor *out) {
  return shim::guarded([&] { *out = shim::wrap_optional(t->value.grad()); });
}

int32_t ct_tensor_set_gradient(ct_tensor t, ct_tensor gradient) {
  return shim::guarded([&] { t->value.mutable_grad() = gradient ? gradient->value : at::Tensor(); });
}

int32_t ct_backward(ct_tensor root, ct_tensor gradient, bool retain_graph) {
  return shim::guarded([&] {
    torch::autograd::backward({root->value}, {gradient ? gradient->value : at::Tensor()}, retain_graph);
  });
}

int32_t ct_gradients(const ct_tensor *outputs, const ct_tensor *output_gradients, int32_t output_count, const ct_tensor *inputs,
                     int32_t input_count, bool retain_graph, ct_tensor *out) {
  return shim::guarded([&] {
    torch::autograd::variable_list from, seeds, to;
    for (int32_t i = 0; i < output_count; ++i) {
      from.push_back(outputs[i]->value);
      seeds.push_back(output_gradients && output_gradients[i] ? output_gradients[i]->value : at::Tensor());
    }
    for (int32_t i = 0; i < input_count; ++i) to.push_back(inputs[i]->value);
    auto found = torch::autograd::grad(from, to, seeds, retain_graph, /*create_graph=*/false, /*allow_unused=*/true);
    for (int32_t i = 0; i < input_count; ++i) out[i] = shim::wrap_optional(found[i]);
  });
}

bool ct_set_gradient_enabled(bool enabled) {
  bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(enabled);
  return before;
}

bool ct_gradient_enabled(void) { return c10::GradMode::is_enabled(); }
ct_inference ct_inference_begin(void) { return new ct_inference_s; }
void ct_inference_end(ct_inference scope) { delete scope; }
