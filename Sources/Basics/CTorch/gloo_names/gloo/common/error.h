// libtorch holds gloo, but not its headers. These are the names that ProcessGroupGloo.hpp mentions, and nothing that has a body: objects of
// these types are made and used inside of libtorch alone.
#pragma once
