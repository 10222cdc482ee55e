//! `#[derive(Resource)]`: turns a declared struct into plain data, [`hitaji_core::resource::ResourceDef`]. No logic.
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{
    Data, DeriveInput, Error, Expr, Field, Fields, GenericArgument, LitInt, LitStr, PathArguments, Result, Type,
};

/// Declares a table as a resource. On the struct: `#[resource(service, name, table, label, label_one, label_sw,
/// title, sort, permission?, read_only?, if_match?)]` and `constraint("name", "field", "message")`. On a field:
/// `#[field(label = "…", sw = "…", list, filter, sort, search, read_only, long_text, email, phone, link = "…",
/// choices(value("Label", "Lebo"), …), max_length = 60, min = 0, max = 9, help = "…")]`. `Option` means not required.
#[proc_macro_derive(Resource, attributes(resource, field))]
pub fn derive_resource(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

#[derive(Default)]
struct Header {
    service: Option<String>,
    name: Option<String>,
    table: Option<String>,
    permission: Option<String>,
    label: Option<String>,
    label_one: Option<String>,
    label_sw: Option<String>,
    title: Vec<String>,
    sort: Option<String>,
    read_only: bool,
    if_match: bool,
    constraints: Vec<Tokens>,
}

fn expand(input: &DeriveInput) -> Result<Tokens> {
    let header = header(input)?;
    let missing = |what: &str| Error::new(input.span(), format!("#[resource({what} = \"…\")] is missing"));
    let service = header.service.ok_or_else(|| missing("service"))?;
    let name = header.name.ok_or_else(|| missing("name"))?;
    let table = header.table.ok_or_else(|| missing("table"))?;
    let label = header.label.ok_or_else(|| missing("label"))?;
    let label_one = header.label_one.ok_or_else(|| missing("label_one"))?;
    let label_sw = header.label_sw.ok_or_else(|| missing("label_sw"))?;
    let sort = header.sort.ok_or_else(|| missing("sort"))?;
    let permission = header.permission.unwrap_or_else(|| table.clone());
    let scope = |action: &str| format!("{permission}:{action}");
    let event = |action: &str| format!("{table}.{action}.v1");
    let (read, write, delete) = (scope("read"), scope("write"), scope("delete"));
    let (created, updated, deleted) = (event("created"), event("updated"), event("deleted"));
    let (title, read_only, if_match, constraints) =
        (header.title, header.read_only, header.if_match, header.constraints);
    let Data::Struct(data) = &input.data else { return Err(Error::new(input.span(), "a resource is a struct")) };
    let Fields::Named(named) = &data.fields else {
        return Err(Error::new(input.span(), "a resource has named fields"));
    };
    let fields = named.named.iter().map(field).collect::<Result<Vec<_>>>()?;
    let idents = named.named.iter().map(|field| &field.ident);
    let ident = &input.ident;
    Ok(quote! {
        impl hitaji_core::resource::Resource for #ident {
            const DEF: &'static hitaji_core::resource::ResourceDef = &hitaji_core::resource::ResourceDef {
                service: #service, name: #name, table: #table, permission: #permission,
                read_scope: #read, write_scope: #write, delete_scope: #delete,
                created_event: #created, updated_event: #updated, deleted_event: #deleted,
                label: #label, label_one: #label_one, label_sw: #label_sw,
                title: &[#(#title),*], default_sort: #sort, read_only: #read_only, if_match_required: #if_match,
                fields: &[#(#fields),*],
                constraints: &[#(#constraints),*],
            };
        }
        // The struct is a declaration; nobody builds one. This is its only reader.
        const _: fn(&#ident) = |record| { #(let _ = &record.#idents;)* };
    })
}

fn header(input: &DeriveInput) -> Result<Header> {
    let mut header = Header::default();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("resource")) {
        attribute.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match key.as_str() {
                "service" => header.service = Some(text(&meta)?),
                "name" => header.name = Some(text(&meta)?),
                "table" => header.table = Some(text(&meta)?),
                "permission" => header.permission = Some(text(&meta)?),
                "label" => header.label = Some(text(&meta)?),
                "label_one" => header.label_one = Some(text(&meta)?),
                "label_sw" => header.label_sw = Some(text(&meta)?),
                "title" => header.title = text(&meta)?.split(' ').map(str::to_owned).collect(),
                "sort" => header.sort = Some(text(&meta)?),
                "read_only" => header.read_only = true,
                "if_match" => header.if_match = true,
                "constraint" => header.constraints.push(constraint(&meta)?),
                _ => return Err(meta.error("unknown key")),
            }
            Ok(())
        })?;
    }
    Ok(header)
}

/// `constraint("name", "field", "message")`.
fn constraint(meta: &ParseNestedMeta<'_>) -> Result<Tokens> {
    let content;
    syn::parenthesized!(content in meta.input);
    let parts = content.parse_terminated(|input| input.parse::<LitStr>(), syn::Token![,])?;
    let [name, field, message] = parts.iter().collect::<Vec<_>>()[..] else {
        return Err(meta.error("three texts: the constraint, the field, the message"));
    };
    Ok(quote!(hitaji_core::resource::ConstraintDef { constraint: #name, field: #field, message: #message }))
}

#[derive(Default)]
struct Options {
    label: Option<String>,
    sw: Option<String>,
    kind: Option<Tokens>,
    flags: Vec<String>,
    max_length: Option<u32>,
    min: Option<i64>,
    max: Option<i64>,
    help: Option<String>,
}

fn field(field: &Field) -> Result<Tokens> {
    let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let options = options(field)?;
    let (inner, optional) = unwrap_option(&field.ty);
    let kind = match options.kind {
        Some(kind) => kind,
        None => kind_of(inner)?,
    };
    let flag = |name: &str| options.flags.iter().any(|flag| flag == name);
    let (list, filter, sort, search, read_only) =
        (flag("list"), flag("filter"), flag("sort"), flag("search"), flag("read_only"));
    let required = !optional;
    let label = options.label.ok_or_else(|| Error::new(field.span(), "#[field(label = \"…\")] is missing"))?;
    let sw = options.sw.ok_or_else(|| Error::new(field.span(), "#[field(sw = \"…\")] is missing"))?;
    let (max_length, min, max, help) =
        (option(options.max_length), option(options.min), option(options.max), option(options.help));
    Ok(quote!(hitaji_core::resource::FieldDef {
        name: #name, label: #label, label_sw: #sw, kind: #kind, required: #required, read_only: #read_only,
        list: #list, filter: #filter, sort: #sort, search: #search,
        max_length: #max_length, min: #min, max: #max, help: #help,
    }))
}

fn options(field: &Field) -> Result<Options> {
    let mut options = Options::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
        attribute.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match key.as_str() {
                "label" => options.label = Some(text(&meta)?),
                "sw" => options.sw = Some(text(&meta)?),
                "help" => options.help = Some(text(&meta)?),
                "max_length" => options.max_length = Some(number(&meta)?.base10_parse()?),
                "min" => options.min = Some(number(&meta)?.base10_parse()?),
                "max" => options.max = Some(number(&meta)?.base10_parse()?),
                "link" => {
                    let target = text(&meta)?;
                    options.kind = Some(quote!(hitaji_core::resource::FieldKind::Link(#target)));
                }
                "choices" => options.kind = Some(choices(&meta)?),
                "long_text" => options.kind = Some(quote!(hitaji_core::resource::FieldKind::LongText)),
                "email" => options.kind = Some(quote!(hitaji_core::resource::FieldKind::Email)),
                "phone" => options.kind = Some(quote!(hitaji_core::resource::FieldKind::Phone)),
                "list" | "filter" | "sort" | "search" | "read_only" => options.flags.push(key),
                _ => return Err(meta.error("unknown key")),
            }
            Ok(())
        })?;
    }
    Ok(options)
}

/// `choices(female("Female", "Mke"), …)`.
fn choices(meta: &ParseNestedMeta<'_>) -> Result<Tokens> {
    let mut all = Vec::new();
    meta.parse_nested_meta(|choice| {
        let value = choice.path.get_ident().map(ToString::to_string).unwrap_or_default();
        let content;
        syn::parenthesized!(content in choice.input);
        let labels = content.parse_terminated(|input| input.parse::<LitStr>(), syn::Token![,])?;
        let [label, sw] = labels.iter().collect::<Vec<_>>()[..] else {
            return Err(choice.error("two labels: English and Swahili"));
        };
        all.push(quote!(hitaji_core::resource::Choice { value: #value, label: #label, label_sw: #sw }));
        Ok(())
    })?;
    Ok(quote!(hitaji_core::resource::FieldKind::Choice(&[#(#all),*])))
}

fn option<T: quote::ToTokens>(value: Option<T>) -> Tokens {
    value.map_or_else(|| quote!(None), |value| quote!(Some(#value)))
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}

fn number(meta: &ParseNestedMeta<'_>) -> Result<LitInt> {
    match meta.value()?.parse::<Expr>()? {
        Expr::Lit(literal) => match literal.lit {
            syn::Lit::Int(int) => Ok(int),
            other => Err(Error::new(other.span(), "a whole number")),
        },
        other => Err(Error::new(other.span(), "a whole number")),
    }
}

fn unwrap_option(ty: &Type) -> (&Type, bool) {
    if let Type::Path(path) = ty
        && let Some(segment) = path.path.segments.last()
        && segment.ident == "Option"
        && let PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (inner, true);
    }
    (ty, false)
}

fn kind_of(ty: &Type) -> Result<Tokens> {
    let Type::Path(path) = ty else { return Err(Error::new(ty.span(), "no kind of field has this type")) };
    let name = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    let kind = match name.as_str() {
        "String" => quote!(Text),
        "i32" | "i64" => quote!(Integer),
        "bool" => quote!(Boolean),
        "NaiveDate" => quote!(Date),
        "DateTime" => quote!(Instant),
        "Uuid" => quote!(Uuid),
        _ => return Err(Error::new(ty.span(), "no kind of field has this type")),
    };
    Ok(quote!(hitaji_core::resource::FieldKind::#kind))
}
