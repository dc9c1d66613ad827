//! The state of the tables' pane: which table, which rows of it, and what was asked.

use super::filter::{self, Condition};
use super::model::List;
use super::rows::{Ask, Column, Page, Question, Source, TableInfo, Told};

/// The pane's state.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The tables that there are, or why there are none; `None` before that is known.
    pub known: Option<Result<Vec<TableInfo>, String>>,
    /// What is shown.
    pub source: Option<Source>,
    /// The filter as it was typed.
    pub filter: String,
    /// By which column, and whether the largest come first.
    pub sort: Option<(String, bool)>,
    /// The selected row and the first one seen.
    pub list: List,
    /// The selected column.
    pub column: usize,
    /// The rows at hand.
    pub page: Option<Page>,
    /// Which rows were asked for; there may be fewer.
    pub wanted: std::ops::Range<u64>,
    /// How many rows there are; `None` while they are counted.
    pub count: Option<u64>,
    /// What is wrong with what was asked.
    pub trouble: Option<String>,
    /// The number of the last question; answers to others are passed over.
    pub asked: u64,
    /// It is not answered yet.
    pub is_waiting: bool,
}

/// Rows read above and below those that are seen, in screens.
const MARGIN: usize = 2;

impl Tables {
    /// The columns of what is shown.
    pub fn columns(&self) -> &[Column] {
        if let Some(page) = &self.page {
            return &page.columns;
        }
        self.info().map_or(&[], |info| &info.columns)
    }

    /// The table that is shown.
    pub fn info(&self) -> Option<&TableInfo> {
        let Some(Source::Table(name)) = &self.source else { return None };
        self.all().iter().find(|info| info.name == *name)
    }

    /// All tables.
    pub fn all(&self) -> &[TableInfo] {
        match &self.known {
            Some(Ok(all)) => all,
            _ => &[],
        }
    }

    /// Rows that can be scrolled to: as many as there are, or as many as are known of.
    pub fn len(&self) -> usize {
        let known = self.page.as_ref().map_or(0, |page| page.first + page.rows.len() as u64);
        usize::try_from(self.count.unwrap_or(known)).unwrap_or(usize::MAX)
    }

    /// Shows something else from its start.
    pub fn show(&mut self, source: Source) {
        *self = Tables { known: self.known.take(), asked: self.asked, source: Some(source), ..Tables::default() };
    }

    /// The filter was typed; rows are shown from the first one on.
    pub fn filter(&mut self, text: &str) {
        self.filter = text.to_owned();
        self.forget();
    }

    /// Sorts by the selected column: the smallest first, then the largest first, then by time again.
    pub fn sort(&mut self) {
        let Some(name) = self.columns().get(self.column).map(|column| column.name.clone()) else { return };
        self.sort = match self.sort.take() {
            Some((by, false)) if by == name => Some((name, true)),
            Some((by, true)) if by == name => None,
            _ => Some((name, false)),
        };
        self.forget();
    }

    fn forget(&mut self) {
        self.list = List::default();
        self.page = self.page.take().map(|page| Page { first: 0, rows: Vec::new(), ..page });
        self.wanted = 0..0;
        self.count = None;
        self.trouble = None;
        self.is_waiting = false;
    }

    fn conditions(&self) -> Vec<Condition> {
        filter::parse(&self.filter, self.columns())
    }

    /// Asks for the rows around those that are seen, if they are not at hand.
    pub fn ask(&mut self, seen: usize) -> Option<Ask> {
        match self.known {
            None if self.is_waiting => return None,
            None => return self.number(Ask::Tables),
            Some(Err(_)) => return None,
            Some(Ok(_)) => {}
        }
        let (top, seen) = (self.list.top as u64, seen as u64);
        let is_at_hand = self.wanted.start <= top && top + seen <= self.wanted.end;
        if self.is_waiting || self.trouble.is_some() || is_at_hand {
            return None;
        }
        let margin = seen * MARGIN as u64;
        let question = self.question(top.saturating_sub(margin)..top + seen + margin)?;
        self.wanted = question.rows.clone();
        self.number(Ask::Page(question))
    }

    fn question(&self, rows: std::ops::Range<u64>) -> Option<Question> {
        Some(Question { source: self.source.clone()?, conditions: self.conditions(), sort: self.sort.clone(), rows })
    }

    fn number(&mut self, ask: Ask) -> Option<Ask> {
        self.asked += 1;
        // Rows are asked for while others are counted.
        self.is_waiting = !matches!(ask, Ask::Count(_));
        Some(ask)
    }

    /// Takes an answer in, and asks what comes next: how many rows there are, when that is not known.
    pub fn told(&mut self, number: u64, told: Result<Told, String>, seen: usize) -> Option<Ask> {
        if number != self.asked {
            return None;
        }
        self.is_waiting = false;
        match told {
            Ok(Told::Tables(all)) => {
                if self.source.is_none() {
                    // What most investigations begin with.
                    let first = all.iter().find(|info| info.name == "syscalls").or(all.first());
                    self.source = first.map(|info| Source::Table(info.name.clone()));
                }
                self.known = Some(Ok(all));
                return self.ask(seen);
            }
            Ok(Told::Page(page)) => {
                let behind = page.first + page.rows.len() as u64;
                // A page that is not full is the last one.
                if behind < self.wanted.end && (behind > page.first || page.first == 0) {
                    self.count = Some(behind);
                }
                self.page = Some(page);
            }
            Ok(Told::Lanes(..)) => return None,
            Ok(Told::Count(count)) => self.count = Some(count),
            Err(why) if self.known.is_none() => self.known = Some(Err(why)),
            Err(why) => self.trouble = Some(why),
        }
        if self.count.is_some() || self.trouble.is_some() {
            return None;
        }
        if self.filter.is_empty()
            && let Some(info) = self.info()
        {
            self.count = Some(info.rows);
            return None;
        }
        let question = self.question(0..0)?;
        self.number(Ask::Count(question))
    }

    /// The selected row's Moment.
    pub fn moment(&self) -> Option<u64> {
        self.page.as_ref()?.moment(self.list.cursor as u64)
    }

    /// The selected row as text, its values separated by tabs.
    pub fn row_text(&self) -> Option<String> {
        let row = self.page.as_ref()?.row(self.list.cursor as u64)?;
        Some(row.iter().map(ToString::to_string).collect::<Vec<_>>().join("\t"))
    }
}
