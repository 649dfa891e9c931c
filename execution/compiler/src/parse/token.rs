//! Tokens: what the lexer hands to the parser.

use crate::diagnostics::Span;

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of tokens. Keywords are identifiers: the parser decides by place. `>` always stands alone, so that
/// `vector<vector<u8>>` closes twice; the parser joins `>>` and `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenKind {
    /// A name or keyword; `$x` too.
    Ident,
    /// A name in back quotes, never a keyword.
    QuotedIdent,
    /// Digits and letters that begin with a digit.
    Number,
    /// `'a`
    Label,
    /// `b".."`
    ByteString,
    /// `x".."`
    HexString,
    /// `".."`
    String,
    /// `{`
    LBrace,
    /// `}`
    RBrace,
    /// `(`
    LParen,
    /// `)`
    RParen,
    /// `[`
    LBracket,
    /// `]`
    RBracket,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `:`
    Colon,
    /// `::`
    ColonColon,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// `@`
    At,
    /// `#`
    Hash,
    /// `=`
    Equal,
    /// `==`
    EqualEqual,
    /// `=>`
    FatArrow,
    /// `->`
    Arrow,
    /// `!`
    Exclaim,
    /// `!=`
    ExclaimEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `<<`
    LessLess,
    /// `<<=`
    LessLessEqual,
    /// `>`
    Greater,
    /// `+`
    Plus,
    /// `+=`
    PlusEqual,
    /// `-`
    Minus,
    /// `-=`
    MinusEqual,
    /// `*`
    Star,
    /// `*=`
    StarEqual,
    /// `/`
    Slash,
    /// `/=`
    SlashEqual,
    /// `%`
    Percent,
    /// `%=`
    PercentEqual,
    /// `&`
    Amp,
    /// `&&`
    AmpAmp,
    /// `&=`
    AmpEqual,
    /// `|`
    Pipe,
    /// `||`
    PipePipe,
    /// `|=`
    PipeEqual,
    /// `^`
    Caret,
    /// `^=`
    CaretEqual,
    /// A character that means nothing; the lexer has reported it.
    Unknown,
    /// The end of the file.
    End,
}

impl TokenKind {
    /// How messages call it.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Ident | Self::QuotedIdent => "a name",
            Self::Number => "a number",
            Self::Label => "a label",
            Self::ByteString => "a byte string",
            Self::HexString => "a hex string",
            Self::String => "a string",
            Self::LBrace => "`{`",
            Self::RBrace => "`}`",
            Self::LParen => "`(`",
            Self::RParen => "`)`",
            Self::LBracket => "`[`",
            Self::RBracket => "`]`",
            Self::Comma => "`,`",
            Self::Semicolon => "`;`",
            Self::Colon => "`:`",
            Self::ColonColon => "`::`",
            Self::Dot => "`.`",
            Self::DotDot => "`..`",
            Self::At => "`@`",
            Self::Hash => "`#`",
            Self::Equal => "`=`",
            Self::EqualEqual => "`==`",
            Self::FatArrow => "`=>`",
            Self::Arrow => "`->`",
            Self::Exclaim => "`!`",
            Self::ExclaimEqual => "`!=`",
            Self::Less => "`<`",
            Self::LessEqual => "`<=`",
            Self::LessLess => "`<<`",
            Self::LessLessEqual => "`<<=`",
            Self::Greater => "`>`",
            Self::Plus => "`+`",
            Self::PlusEqual => "`+=`",
            Self::Minus => "`-`",
            Self::MinusEqual => "`-=`",
            Self::Star => "`*`",
            Self::StarEqual => "`*=`",
            Self::Slash => "`/`",
            Self::SlashEqual => "`/=`",
            Self::Percent => "`%`",
            Self::PercentEqual => "`%=`",
            Self::Amp => "`&`",
            Self::AmpAmp => "`&&`",
            Self::AmpEqual => "`&=`",
            Self::Pipe => "`|`",
            Self::PipePipe => "`||`",
            Self::PipeEqual => "`|=`",
            Self::Caret => "`^`",
            Self::CaretEqual => "`^=`",
            Self::Unknown => "an unknown character",
            Self::End => "the end of the file",
        }
    }
}

/// Words that cannot name anything unless in back quotes. All other keywords are decided by place.
pub const RESERVED: &[&str] = &[
    "abort", "as", "break", "const", "continue", "copy", "else", "false", "fun", "if", "let", "loop", "module", "move",
    "native", "public", "return", "spec", "struct", "true", "use", "while",
];
