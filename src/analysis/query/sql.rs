//! The text of a query made ready for polars: hex numbers, names that are looked up with their places, and the functions of a
//! recording brought out of subqueries, where polars does not know them.

use super::error::{Error, Place};
use super::functions::FUNCTIONS;
use super::nearest::nearest;
use crate::analysis::registry;
use polars::prelude::LazyFrame;
use polars::sql::SQLContext;
use sqlparser::ast::{Expr, ObjectName, Query, SetExpr, Statement, TableFactor, Visit, VisitMut, Visitor, VisitorMut};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// A query that is one statement whose tables are there.
pub struct Prepared {
    /// The statement, numbers written as polars reads them.
    statement: Statement,
    /// The names in the text as it was given, with their places.
    words: Vec<(String, Place)>,
    /// Tables of the recording that it reads.
    pub tables: BTreeSet<String>,
}

impl Prepared {
    /// Reads a query over tables of these names.
    ///
    /// # Errors
    /// It is no SQL, is no single SELECT, or asks for what there is not.
    pub fn new(sql: &str, known: &BTreeSet<String>) -> Result<Prepared, Error> {
        // As it was given first, so that places in messages are those that the user sees.
        one_select(sql)?;
        let tokens = tokens(sql)?;
        let text = decimal(sql, &tokens);
        let mut statement = one_select(&text)?;
        let _ = VisitMut::visit(&mut statement, &mut Widen);
        let words = tokens.iter().filter_map(|t| match &t.token {
            Token::Word(word) => Some((word.value.clone(), place(t.span))),
            _ => None,
        });
        let mut prepared = Prepared { statement, words: words.collect(), tables: BTreeSet::new() };
        prepared.tables = prepared.check_tables(known)?;
        Ok(prepared)
    }

    /// The plan of it.
    ///
    /// # Errors
    /// What polars does not understand.
    pub fn plan(mut self, context: &mut SQLContext, columns: &BTreeSet<String>) -> Result<LazyFrame, Error> {
        let mut calls = Calls::default();
        let _ = Visit::visit(&self.statement, &mut calls);
        let hoisted = if calls.inside { hoist(context, &mut self.statement) } else { Ok(()) };
        let planned = hoisted.and_then(|()| Ok(context.execute(&self.statement.to_string())?));
        let mut plan = planned.map_err(|e| self.explain(e, columns))?;
        plan.collect_schema().map_err(|e| self.explain(Error::from(e), columns))?;
        Ok(plan)
    }

    fn check_tables(&self, known: &BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
        let mut names = Relations::default();
        let _ = Visit::visit(&self.statement, &mut names);
        let mut used = BTreeSet::new();
        for name in names.used {
            if known.contains(&name) {
                used.insert(name);
            } else if !names.made.contains(&name) {
                return Err(no_table(&name, self.place(&name), known.iter().map(String::as_str)));
            }
        }
        Ok(used)
    }

    fn place(&self, word: &str) -> Option<Place> {
        self.words.iter().find(|(found, _)| found.eq_ignore_ascii_case(word)).map(|(_, place)| *place)
    }

    /// Says it so that the user sees where it is and what was probably meant.
    fn explain(&self, error: Error, columns: &BTreeSet<String>) -> Error {
        let Error::Refused(said) = &error else { return error };
        if let Some(name) = quoted_behind(said, &["unable to find column ", "not found: ", "no column named "]) {
            // One that another table of the query has is not what was meant.
            let all: Vec<&str> = columns.iter().map(String::as_str).filter(|column| *column != name).collect();
            let nearest = nearest(&name, all.iter().copied()).map(str::to_owned);
            return Error::NoColumn { at: self.place(&name), name, nearest, known: listed(&all) };
        }
        if let Some(name) = quoted_behind(said, &["unsupported function "]) {
            if FUNCTIONS.iter().any(|(known, _)| *known == name) {
                return Error::FunctionInside { name };
            }
            let own = FUNCTIONS.iter().map(|(name, _)| *name);
            let nearest = nearest(&name, own.chain(USUAL.iter().copied())).map(str::to_owned);
            return Error::NoFunction { at: self.place(&name), name, nearest };
        }
        error
    }
}

/// Functions of polars that are asked for most.
const USUAL: &[&str] = &[
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "median",
    "lower",
    "upper",
    "length",
    "substr",
    "regexp_like",
    "coalesce",
    "abs",
    "round",
];

/// Says which table is meant, or how to make it.
pub fn no_table<'a>(name: &str, at: Option<Place>, known: impl Iterator<Item = &'a str> + Clone) -> Error {
    if let Some((plugin, _)) = registry::tables().find(|(_, table)| table.name == name) {
        return Error::NotMade { table: name.to_owned(), plugin: plugin.name };
    }
    let nearest = nearest(name, known.clone()).map(str::to_owned);
    Error::NoTable { name: name.to_owned(), at, nearest, known: listed(&known.collect::<Vec<_>>()) }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What stands in quotes of some kind behind one of these texts.
fn quoted_behind(said: &str, texts: &[&str]) -> Option<String> {
    let rest = texts.iter().find_map(|text| said.split_once(text).map(|(_, rest)| rest))?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    rest[1..].split_once(quote).map(|(name, _)| name.to_owned())
}

fn one_select(sql: &str) -> Result<Statement, Error> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parsed = Parser::new(&GenericDialect).with_options(options).try_with_sql(sql);
    let mut statements =
        parsed.and_then(|mut p| p.parse_statements()).map_err(|e| Error::Syntax(syntax(&e.to_string(), sql)))?;
    match (statements.pop(), statements.is_empty()) {
        (None, _) => Err(Error::Empty),
        (Some(statement @ (Statement::Query(_) | Statement::Explain { .. } | Statement::ShowTables { .. })), true) => {
            Ok(statement)
        }
        _ => Err(Error::NotOneSelect),
    }
}

/// `Expected: x, found: y at Line: 1, Column: 8` in the words of this house.
fn syntax(said: &str, sql: &str) -> String {
    let said = said.strip_prefix("sql parser error: ").unwrap_or(said);
    let words =
        |what: &str| what.replace("Expected: ", "expected ").replace("found: ", "found ").replace("EOF", "the end");
    let place = |what: &str, line: &str, column: &str| match line {
        "1" => format!("column {column}: {}", words(what)),
        line => format!("line {line}, column {column}: {}", words(what)),
    };
    if let Some((what, (line, column))) =
        said.rsplit_once(" at Line: ").and_then(|(what, at)| Some((what, at.split_once(", Column: ")?)))
    {
        return place(what, line, column);
    }
    let (lines, last) = (sql.lines().count().max(1), sql.lines().last().unwrap_or_default());
    match said.ends_with("EOF") {
        true => place(said, &lines.to_string(), &(last.chars().count() + 1).to_string()),
        false => said.to_owned(),
    }
}

/// Polars reads numbers as signed: those of the upper half are written as casts, and IN over them as comparisons.
struct Widen;

impl VisitorMut for Widen {
    type Break = ();
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let wide = match &*expr {
            Expr::InList { expr: of, list, negated } if list.iter().any(is_wide) => one_of(of, list, *negated),
            number if is_wide(number) => expression(&format!("CAST('{number}' AS BIGINT UNSIGNED)")).ok(),
            _ => None,
        };
        if let Some(wide) = wide {
            *expr = wide;
        }
        ControlFlow::Continue(())
    }
}

/// A number of the upper half. A text has quotes here, and is none.
fn is_wide(expr: &Expr) -> bool {
    let Expr::Value(value) = expr else { return false };
    let text = value.to_string();
    text.parse::<i64>().is_err() && text.parse::<u64>().is_ok()
}

fn one_of(of: &Expr, list: &[Expr], negated: bool) -> Option<Expr> {
    let each: Vec<String> = list.iter().map(|item| format!("({of}) = ({item})")).collect();
    let not = if negated { "NOT " } else { "" };
    expression(&format!("({not}({}))", each.join(" OR "))).ok()
}

fn expression(sql: &str) -> Result<Expr, sqlparser::parser::ParserError> {
    Parser::new(&GenericDialect).try_with_sql(sql)?.parse_expr()
}

fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Error> {
    Tokenizer::new(&GenericDialect, sql)
        .tokenize_with_location()
        .map_err(|e| Error::Syntax(syntax(&e.to_string(), sql)))
}

fn place(span: Span) -> Place {
    Place { line: span.start.line, column: span.start.column }
}

/// `0x...` as decimal numbers; what is in quotes or comments stays, and so do hex strings (`X'..'`).
fn decimal(sql: &str, tokens: &[TokenWithSpan]) -> String {
    let starts: Vec<usize> = std::iter::once(0).chain(sql.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let offset = |line: u64, column: u64| {
        let start = *starts.get(line.checked_sub(1)? as usize)?;
        let chars = sql[start..].char_indices().map(|(at, _)| start + at).chain([sql.len()]);
        chars.into_iter().nth(column.checked_sub(1)? as usize)
    };
    let (mut out, mut done) = (String::new(), 0);
    for TokenWithSpan { token, span } in tokens {
        let Token::HexStringLiteral(digits) = token else { continue };
        let (Some(from), Some(to)) =
            (offset(span.start.line, span.start.column), offset(span.end.line, span.end.column))
        else {
            continue;
        };
        let is_number = sql[from..].starts_with("0x") || sql[from..].starts_with("0X");
        if let (true, Ok(number)) = (is_number, u64::from_str_radix(digits, 16)) {
            out.push_str(&sql[done..from]);
            out.push_str(&number.to_string());
            done = to;
        }
    }
    out.push_str(&sql[done..]);
    out
}

/// Names of tables that a statement uses, and those that it makes itself.
#[derive(Default)]
struct Relations {
    used: Vec<String>,
    made: BTreeSet<String>,
}

impl Visitor for Relations {
    type Break = ();
    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let own = query.with.iter().flat_map(|with| &with.cte_tables);
        self.made.extend(own.map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }
    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = table
            && let Some(name) = single(name)
        {
            self.used.push(name);
        }
        ControlFlow::Continue(())
    }
}

fn single(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(|ident| ident.value.clone()),
        _ => None,
    }
}

/// Whether functions of recordings are called in queries inside of others.
#[derive(Default)]
struct Calls {
    depth: usize,
    inside: bool,
}

impl Visitor for Calls {
    type Break = ();
    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        // The sides of a UNION are like queries of their own.
        self.depth += usize::from(matches!(*query.body, SetExpr::SetOperation { .. }));
        ControlFlow::Continue(())
    }
    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        self.depth -= usize::from(matches!(*query.body, SetExpr::SetOperation { .. }));
        ControlFlow::Continue(())
    }
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && let Some(name) = single(&call.name)
        {
            let is_ours = FUNCTIONS.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name));
            self.inside |= is_ours && self.depth > 1;
        }
        ControlFlow::Continue(())
    }
}

/// Plans queries inside of a statement by themselves and puts names in their places.
fn hoist(context: &mut SQLContext, statement: &mut Statement) -> Result<(), Error> {
    let Statement::Query(query) = statement else { return Ok(()) };
    Hoist { context, count: 0 }.query(query)
}

struct Hoist<'a> {
    context: &'a mut SQLContext,
    count: usize,
}

impl Hoist<'_> {
    fn query(&mut self, query: &mut Query) -> Result<(), Error> {
        for mut cte in query.with.take().map(|with| with.cte_tables).unwrap_or_default() {
            self.query(&mut cte.query)?;
            self.register(&cte.alias.name.value, &cte.query)?;
        }
        self.body(&mut query.body)
    }

    fn body(&mut self, body: &mut SetExpr) -> Result<(), Error> {
        match body {
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                for side in [left, right] {
                    self.body(side)?;
                    let name = self.register_new(&**side)?;
                    **side = *select_all(&name)?.body;
                }
                Ok(())
            }
            SetExpr::Select(select) => {
                for from in &mut select.from {
                    self.table(&mut from.relation)?;
                    for join in &mut from.joins {
                        self.table(&mut join.relation)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn table(&mut self, table: &mut TableFactor) -> Result<(), Error> {
        let TableFactor::Derived { subquery, alias, .. } = table else { return Ok(()) };
        self.query(subquery)?;
        let name = match alias {
            Some(alias) => {
                self.register(&alias.name.value, &**subquery)?;
                alias.name.value.clone()
            }
            None => self.register_new(&**subquery)?,
        };
        if let SetExpr::Select(select) = *select_all(&name)?.body
            && let Some(from) = select.from.into_iter().next()
        {
            *table = from.relation;
        }
        Ok(())
    }

    fn register_new(&mut self, query: &dyn std::fmt::Display) -> Result<String, Error> {
        self.count += 1;
        let name = format!("_query_{}", self.count);
        self.register(&name, query)?;
        Ok(name)
    }
    fn register(&mut self, name: &str, query: &dyn std::fmt::Display) -> Result<(), Error> {
        let plan = self.context.execute(&query.to_string())?;
        self.context.register(name, plan);
        Ok(())
    }
}

fn select_all(name: &str) -> Result<Box<Query>, Error> {
    match one_select(&format!("SELECT * FROM \"{name}\""))? {
        Statement::Query(query) => Ok(query),
        _ => Err(Error::NotOneSelect),
    }
}
