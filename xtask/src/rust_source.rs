//! A Rust file as the checks see it: flat tokens with lines, functions with lengths, and which lines are tests.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::visit::Visit;

pub struct RustSource {
    pub tokens: Vec<Token>,
    pub functions: Vec<Function>,
    /// First and last line of each `#[cfg(test)]` module.
    test_lines: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Word(String),
    /// One character of punctuation or a bracket.
    Mark(char),
    /// The value of a string literal.
    Text(String),
    Other,
}

pub struct Function {
    pub name: String,
    pub line: usize,
    /// From `fn` to the closing brace.
    pub lines: usize,
}

impl RustSource {
    pub fn parse(text: &str) -> Result<Self, syn::Error> {
        let syntax = syn::parse_file(text)?;
        let mut finder = Finder { functions: Vec::new(), test_lines: Vec::new() };
        finder.visit_file(&syntax);
        let mut tokens = Vec::new();
        flatten(text.parse::<TokenStream>().map_err(syn::Error::from)?, &mut tokens);
        Ok(Self { tokens, functions: finder.functions, test_lines: finder.test_lines })
    }

    pub fn in_test_module(&self, line: usize) -> bool {
        self.test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// The lines where this sequence of words and marks begins; `"sleep ("` is the word and the bracket.
    pub fn find(&self, sequence: &str) -> Vec<usize> {
        let wanted: Vec<&str> = sequence.split(' ').collect();
        self.tokens
            .windows(wanted.len())
            .filter(|window| window.iter().zip(&wanted).all(|(token, wanted)| token.is(wanted)))
            .map(|window| window[0].line)
            .collect()
    }

    /// String literals with their lines; documentation is not one.
    pub fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().enumerate().filter_map(|(index, token)| match &token.kind {
            Kind::Text(text) if index < 2 || !self.tokens[index - 2].is("doc") => Some((token.line, text.as_str())),
            _ => None,
        })
    }
}

impl Token {
    pub fn is(&self, wanted: &str) -> bool {
        match &self.kind {
            Kind::Word(word) => word == wanted,
            Kind::Mark(mark) => wanted.len() == 1 && wanted.starts_with(*mark),
            Kind::Text(_) | Kind::Other => false,
        }
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let kind = match tree {
            TokenTree::Group(group) => {
                flatten_group(&group, tokens);
                continue;
            }
            TokenTree::Ident(word) => Kind::Word(word.to_string()),
            TokenTree::Punct(mark) => Kind::Mark(mark.as_char()),
            TokenTree::Literal(literal) => match syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                Ok(text) => Kind::Text(text.value()),
                Err(_) => Kind::Other,
            },
        };
        tokens.push(Token { line, kind });
    }
}

fn flatten_group(group: &Group, tokens: &mut Vec<Token>) {
    let marks = match group.delimiter() {
        Delimiter::Parenthesis => Some(('(', ')')),
        Delimiter::Brace => Some(('{', '}')),
        Delimiter::Bracket => Some(('[', ']')),
        Delimiter::None => None,
    };
    if let Some((open, _)) = marks {
        tokens.push(Token { line: group.span_open().start().line, kind: Kind::Mark(open) });
    }
    flatten(group.stream(), tokens);
    if let Some((_, close)) = marks {
        tokens.push(Token { line: group.span_close().start().line, kind: Kind::Mark(close) });
    }
}

struct Finder {
    functions: Vec<Function>,
    test_lines: Vec<(usize, usize)>,
}

impl Finder {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        self.functions.push(Function { name: signature.ident.to_string(), line, lines: last - line + 1 });
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
        });
        if let (true, Some((braces, _))) = (is_test, &item.content) {
            self.test_lines.push((item.mod_token.span.start().line, braces.span.close().end().line));
        }
        syn::visit::visit_item_mod(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_and_strings_are_not_tokens() {
        let source = RustSource::parse("// sleep(1)\nfn wait() { let _ = \"sleep(2)\"; sleep(3); }\n").unwrap();
        assert_eq!(source.find("sleep ("), [2]);
    }

    #[test]
    fn documentation_is_not_a_text() {
        let source = RustSource::parse("//! One.\n/// Two.\nconst A: &str = \"three\";\n").unwrap();
        assert_eq!(source.texts().collect::<Vec<_>>(), [(3, "three")]);
    }

    #[test]
    fn a_function_is_measured_from_fn_to_brace() {
        let source = RustSource::parse("/// doc\n#[inline]\npub fn one(\n) {\n    let _ = 1;\n}\n").unwrap();
        assert_eq!((source.functions[0].line, source.functions[0].lines), (3, 4));
    }

    #[test]
    fn test_modules_are_known_by_their_lines() {
        let source = RustSource::parse("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n").unwrap();
        assert!(!source.in_test_module(1) && source.in_test_module(4));
    }
}
