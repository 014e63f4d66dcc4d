// Nodes of the recorded graph whose gradient is worked out by the caller.
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <type_traits>
#include <vector>

#include "shim.h"

namespace {

namespace autograd = torch::autograd;

struct CustomGradient : autograd::Node {
  ct_gradient_function function;
  void (*release)(void *);
  void *context;
  int32_t input_count;

  CustomGradient(ct_gradient_function function, void (*release)(void *), void *context, int32_t input_count)
      : function(function), release(release), context(context), input_count(input_count) {}

  ~CustomGradient() override { release_variables(); }

  std::string name() const override { return "CustomGradient"; }

  // What the callback holds goes as early as what libtorch's own nodes save.
  void release_variables() override {
    if (context) release(context);
    context = nullptr;
  }

  autograd::variable_list apply(autograd::variable_list &&seeds) override {
    TORCH_CHECK(context, "the graph was walked backwards a second time without being retained");
    std::vector<ct_tensor_s> values(seeds.size());
    std::vector<ct_tensor> given(seeds.size());
    for (size_t i = 0; i < seeds.size(); ++i) {
      values[i].value = std::move(seeds[i]);
      given[i] = values[i].value.defined() ? &values[i] : nullptr;
    }
    std::vector<ct_tensor> found(input_count);
    int32_t status = function(context, given.data(), static_cast<int32_t>(given.size()), found.data(), input_count);
    autograd::variable_list gradients;
    for (ct_tensor t : found) {
      // Moved out of its handle, so that a leaf can take it over without a copy.
      gradients.push_back(t ? std::move(t->value) : at::Tensor());
      delete t;
    }
    TORCH_CHECK(status == 0, ct_last_error());
    return gradients;
  }
};

// libtorch 2.11 shares its nodes by std::shared_ptr, 2.13 by c10::intrusive_ptr.
using NodePointer = decltype(autograd::Edge::function);

template <class Pointer = NodePointer, class... Arguments>
Pointer make_node(Arguments... arguments) {
  if constexpr (std::is_same_v<Pointer, std::shared_ptr<autograd::Node>>) {
    return Pointer(new CustomGradient(arguments...));
  } else {
    return c10::make_intrusive<CustomGradient>(arguments...);
  }
}

}  // namespace

int32_t ct_set_error(const char *message) { return shim::failed(message); }

int32_t ct_custom_gradient(const ct_tensor *inputs, int32_t input_count, const ct_tensor *outputs, int32_t output_count,
                           ct_gradient_function function, void (*release)(void *), void *context, ct_tensor *out) {
  NodePointer node;
  int32_t status = shim::guarded([&] {
    node = make_node(function, release, context, input_count);
    autograd::edge_list edges;
    for (int32_t i = 0; i < input_count; ++i) {
      const at::Tensor &t = inputs[i]->value;
      edges.push_back(t.requires_grad() ? autograd::impl::gradient_edge(t) : autograd::Edge());
    }
    node->set_next_edges(std::move(edges));
    for (int32_t i = 0; i < output_count; ++i) {
      at::Tensor t = outputs[i]->value.detach();
      autograd::create_gradient_edge(t, node);
      out[i] = shim::wrap(std::move(t));
    }
  });
  // Released exactly once: by the node where there is one.
  if (status != 0 && !node) release(context);
  return status;
}
