#include "core/config_statements.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/config_record.h"
#include "core/lexer.h"

namespace xlb {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kDeepestBlock = 40;

void append(std::string& text, const Statement& statement, size_t depth) {
  text.append(2 * depth, ' ');
  bool first = true;
  for (const std::string& word : statement.words) {
    if (!std::exchange(first, false)) text += ' ';
    append_quoted(text, word);
  }
  if (!statement.has_block) {
    text += '\n';
    return;
  }
  text += " {\n";
  for (const Statement& inner : statement.inner)
    append(text, inner, depth + 1);
  text.append(2 * depth, ' ');
  text += "}\n";
}

std::string joined(const std::vector<std::string>& words, size_t from) {
  std::string text;
  for (size_t i = from; i < words.size(); ++i)
    text += (i > from ? " " : "") + words[i];
  return text;
}

Json json_of(const Statement& statement, BlockKind block);

Json value_of(const Statement& statement) {
  if (statement.words.size() == 1) return true;
  if (statement.words.size() == 2) return statement.words[1];
  return std::vector<std::string>(statement.words.begin() + 1, statement.words.end());
}

Json object_of(const std::vector<Statement>& statements, BlockKind block) {
  Json object = Json::object();
  for (const Statement& statement : statements) {
    const Keyword* const keyword = find_keyword(block, statement.keyword());
    const bool several = keyword != nullptr && keyword->repeatable;
    Json value = statement.has_block ? json_of(statement, block_of(block, statement.keyword()))
                                     : value_of(statement);
    if (!several) {
      object[statement.keyword()] = std::move(value);
    } else if (value.is_array() && (!statement.has_block || statement.words.size() == 1)) {
      Json& list = object[statement.keyword()];
      for (Json& one : value)
        list.push_back(std::move(one));
    } else {
      object[statement.keyword()].push_back(std::move(value));
    }
  }
  return object;
}

// A block: its words as members, or its lines as an array.
Json json_of(const Statement& statement, BlockKind block) {
  if (!keywords_of(block).empty()) {
    Json object = Json::object();
    if (statement.words.size() > 1) object["name"] = joined(statement.words, 1);
    object.update(object_of(statement.inner, block));
    return object;
  }
  Json lines = Json::array();
  for (const Statement& line : statement.inner)
    lines.push_back(joined(line.words, 0));
  if (statement.words.size() == 1) return lines;
  return Json{{"name", joined(statement.words, 1)}, {"lines", std::move(lines)}};
}

}  // namespace

const Statement* Statement::find(std::string_view word) const {
  const auto found = std::find_if(inner.rbegin(), inner.rend(), [&](const Statement& statement) {
    return statement.keyword() == word;
  });
  return found == inner.rend() ? nullptr : &*found;
}

Statement read_statements(std::string_view text) {
  Statement root;
  std::vector<Statement*> open{&root};
  Lexer lexer(text);
  std::vector<LexProblem> problems;
  Line line;
  for (lexer.next(line, problems); line.kind != Line::Kind::end; lexer.next(line, problems)) {
    if (line.kind == Line::Kind::close) {
      if (open.size() > 1) open.pop_back();
      continue;
    }
    if (line.words.empty()) continue;
    Statement& statement = open.back()->inner.emplace_back();
    for (const Word& word : line.words)
      statement.words.push_back(word.text);
    statement.has_block = line.opens;
    if (line.opens && open.size() < kDeepestBlock) open.push_back(&statement);
  }
  return root;
}

std::string statements_text(const Statement& root) {
  std::string text;
  for (const Statement& statement : root.inner)
    append(text, statement, 0);
  return text;
}

std::string statements_json(const Statement& root) {
  return object_of(root.inner, BlockKind::root).dump(2, ' ', false, Json::error_handler_t::replace);
}

BlockKind block_of(BlockKind block, std::string_view keyword) {
  const Keyword* const found = find_keyword(block, keyword);
  return found == nullptr ? BlockKind::lines : found->opens;
}

}  // namespace xlb
