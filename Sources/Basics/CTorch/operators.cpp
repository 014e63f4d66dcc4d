// One generic call reaches every ATen operator: arguments are boxed by the operator's own schema, and the dispatcher does the rest,
// autograd included.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <vector>

#include "shim.h"

struct ct_operator_s {
  c10::OperatorHandle handle;
};

namespace {

thread_local std::string last_error;
thread_local std::vector<c10::IValue> results;

const at::Tensor &tensor_of(const ct_value &v) { return static_cast<const ct_tensor_s *>(v.pointer)->value; }

[[noreturn]] void mismatch(const c10::Argument &argument, const char *found) {
  TORCH_CHECK(false, "argument '", argument.name(), "' is ", argument.type()->str(), ", given ", found);
}

int64_t integer_of(const ct_value &v, const c10::Argument &argument) {
  if (v.tag == CT_INT || v.tag == CT_BOOL) return v.integer;
  mismatch(argument, "no integer");
}

double number_of(const ct_value &v, const c10::Argument &argument) {
  if (v.tag == CT_DOUBLE) return v.number;
  if (v.tag == CT_INT || v.tag == CT_BOOL) return static_cast<double>(v.integer);
  mismatch(argument, "no number");
}

c10::IValue scalar_of(const ct_value &v, const c10::Argument &argument) {
  switch (v.tag) {
    case CT_INT: return v.integer;
    case CT_DOUBLE: return v.number;
    case CT_BOOL: return v.integer != 0;
    default: mismatch(argument, "no number");
  }
}

c10::IValue boxed_list(const ct_value &v, const c10::TypePtr &element, const c10::Argument &argument) {
  const auto *integers = static_cast<const int64_t *>(v.pointer);
  const auto *numbers = static_cast<const double *>(v.pointer);
  switch (element->kind()) {
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: {
      if (v.tag == CT_INT) return c10::List<int64_t>(std::vector<int64_t>(argument.N().value_or(1), v.integer));
      if (v.tag != CT_INT_LIST) mismatch(argument, "no list of integers");
      return c10::List<int64_t>(c10::ArrayRef<int64_t>(integers, v.count));
    }
    case c10::TypeKind::FloatType: {
      if (v.tag != CT_DOUBLE_LIST) mismatch(argument, "no list of numbers");
      return c10::List<double>(c10::ArrayRef<double>(numbers, v.count));
    }
    case c10::TypeKind::BoolType: {
      if (v.tag != CT_BOOL_LIST) mismatch(argument, "no list of truth values");
      c10::List<bool> list;
      for (int32_t i = 0; i < v.count; ++i) list.push_back(integers[i] != 0);
      return list;
    }
    case c10::TypeKind::NumberType: {
      c10::List<at::Scalar> list;
      for (int32_t i = 0; i < v.count; ++i) {
        if (v.tag == CT_INT_LIST) list.push_back(at::Scalar(integers[i]));
        else if (v.tag == CT_DOUBLE_LIST) list.push_back(at::Scalar(numbers[i]));
        else mismatch(argument, "no list of numbers");
      }
      return list;
    }
    case c10::TypeKind::TensorType: {
      if (v.tag != CT_TENSOR_LIST) mismatch(argument, "no list of tensors");
      const auto *tensors = static_cast<const ct_tensor *>(v.pointer);
      c10::List<at::Tensor> list;
      list.reserve(v.count);
      for (int32_t i = 0; i < v.count; ++i) {
        if (tensors[i] == nullptr) mismatch(argument, "a list with an absent tensor");
        list.push_back(tensors[i]->value);
      }
      return list;
    }
    case c10::TypeKind::OptionalType: {
      if (v.tag != CT_TENSOR_LIST) mismatch(argument, "no list of tensors");
      const auto *tensors = static_cast<const ct_tensor *>(v.pointer);
      c10::List<std::optional<at::Tensor>> list;
      for (int32_t i = 0; i < v.count; ++i)
        list.push_back(tensors[i] ? std::optional<at::Tensor>(tensors[i]->value) : std::nullopt);
      return list;
    }
    default: mismatch(argument, "a list");
  }
}

c10::IValue boxed(const ct_value &v, const c10::TypePtr &type, const c10::Argument &argument) {
  switch (type->kind()) {
    case c10::TypeKind::OptionalType:
      if (v.tag == CT_NONE) return c10::IValue();
      return boxed(v, type->castRaw<c10::OptionalType>()->getElementType(), argument);
    case c10::TypeKind::TensorType:
      if (v.tag == CT_TENSOR) return tensor_of(v);
      if (v.tag == CT_NONE) return at::Tensor();
      // A bare number takes part like Python's: it does not raise the other operand's dtype.
      {
        at::Tensor number = at::scalar_tensor(scalar_of(v, argument).toScalar());
        number.unsafeGetTensorImpl()->set_wrapped_number(true);
        return number;
      }
    case c10::TypeKind::NumberType: return scalar_of(v, argument);
    case c10::TypeKind::FloatType: return number_of(v, argument);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return integer_of(v, argument);
    case c10::TypeKind::BoolType: return integer_of(v, argument) != 0;
    case c10::TypeKind::StringType:
      if (v.tag != CT_STRING) mismatch(argument, "no text");
      return std::string(static_cast<const char *>(v.pointer));
    case c10::TypeKind::DeviceObjType:
      if (v.tag != CT_DEVICE) mismatch(argument, "no device");
      return shim::device(static_cast<int32_t>(v.integer), v.count);
    case c10::TypeKind::GeneratorType:
      if (v.tag != CT_GENERATOR) mismatch(argument, "no generator");
      return static_cast<const ct_generator_s *>(v.pointer)->value;
    case c10::TypeKind::ListType:
      return boxed_list(v, type->castRaw<c10::ListType>()->getElementType(), argument);
    default: mismatch(argument, "a value of a kind that this binding does not pass");
  }
}

void flatten(c10::IValue &&value) {
  if (value.isTensorList()) {
    for (at::Tensor t : value.toTensorList()) results.emplace_back(std::move(t));
  } else {
    results.push_back(std::move(value));
  }
}

}  // namespace

namespace shim {

int32_t failed(const char *message) noexcept {
  try {
    last_error.assign(message);
    last_error.resize(std::min(last_error.find('\n'), last_error.size()));
  } catch (...) {
  }
  return 1;
}

}  // namespace shim

const char *ct_last_error(void) { return last_error.c_str(); }

int32_t ct_operator_find(const char *name, const char *overload, ct_operator *out) {
  return shim::guarded([&] {
    auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
    TORCH_CHECK(handle.has_value(), "libtorch has no operator ", name, overload[0] ? "." : "", overload);
    *out = new ct_operator_s{*handle};
  });
}

int32_t ct_call(ct_operator op, const ct_value *arguments, int32_t argument_count, int32_t *count) {
  return shim::guarded([&] {
    const auto &schema = op->handle.schema();
    const auto &expected = schema.arguments();
    TORCH_CHECK(static_cast<size_t>(argument_count) <= expected.size(), "takes ", expected.size(), " arguments, given ", argument_count);
    std::vector<c10::IValue> stack;
    stack.reserve(expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto &argument = expected[i];
      if (i < static_cast<size_t>(argument_count) && arguments[i].tag != CT_DEFAULT) {
        stack.push_back(boxed(arguments[i], argument.type(), argument));
      } else {
        TORCH_CHECK(argument.default_value().has_value(), "argument '", argument.name(), "' is missing");
        stack.push_back(*argument.default_value());
      }
    }
    op->handle.callBoxed(stack);
    results.clear();
    for (auto &value : stack) flatten(std::move(value));
    *count = static_cast<int32_t>(results.size());
  });
}

int32_t ct_result(int32_t index, ct_value *out) {
  return shim::guarded([&] {
    TORCH_CHECK(index >= 0 && static_cast<size_t>(index) < results.size(), "there is no result ", index);
    c10::IValue value = std::move(results[index]);
    *out = ct_value{};
    if (value.isTensor()) {
      out->tag = CT_TENSOR;
      out->pointer = shim::wrap(std::move(value).toTensor());
    } else if (value.isInt()) {
      out->tag = CT_INT;
      out->integer = value.toInt();
    } else if (value.isDouble()) {
      out->tag = CT_DOUBLE;
      out->number = value.toDouble();
    } else if (value.isBool()) {
      out->tag = CT_BOOL;
      out->integer = value.toBool();
    } else if (value.isScalar()) {
      out->tag = CT_DOUBLE;
      out->number = value.toScalar().toDouble();
    } else {
      TORCH_CHECK(value.isNone(), "result ", index, " is a ", value.tagKind(), ", which this binding does not pass");
    }
  });
}
