//! [`keys!`]: declares a [`Record`](super::record::Record).
//!
//! ```text
//! keys! {
//!     /// One route of a link.
//!     pub struct RouteKeys("route") whole {
//!         /// Where to; without it the default route of the gateway's family.
//!         "destination" destination: Prefix,
//!         /// Out of which link.
//!         required "link" link: LinkName,
//!         /// Understood, without effect.
//!         later "encap": Any,
//!         ..metrics: MetricKeys,
//!     }
//! }
//! ```
//!
//! The name in parentheses is what messages call the mapping. A field is `Option<At<T>>`, after `required` it is
//! `At<T>`, and a mapping without it is reported and not read. `later` makes no field: the value is checked, and a
//! note says that it does nothing yet. `..` takes in the keys of another record; these stand last. After the name:
//!
//! - `whole`: one bad value costs the mapping, since it would mean something else without it (a route without its
//!   gateway). Otherwise a bad value costs only itself.
//! - `open`: keys that are not declared are someone else's, and are left alone.

/// Declares a [`Record`]: see the head of [its file](self).
macro_rules! keys {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident($what:literal) $($rule:ident)? { $($body:tt)* }
    ) => {
        keys!(@sort { [$($about)+] $name $what [$($rule)?] } [] [] $($body)*);
    };

    // One key after the other into two lists: those with a field, and those for later.
    (@sort $head:tt [$($field:tt)*] $later:tt
        $(#[doc = $about:literal])+ required $key:literal $name:ident: $type:ty, $($rest:tt)*
    ) => {
        keys!(@sort $head [$($field)* { required [$($about)+] $key $name ($type) }] $later $($rest)*);
    };
    (@sort $head:tt $field:tt [$($later:tt)*]
        $(#[doc = $about:literal])+ later $key:literal: $type:ty, $($rest:tt)*
    ) => {
        keys!(@sort $head $field [$($later)* { [$($about)+] $key ($type) }] $($rest)*);
    };
    (@sort $head:tt [$($field:tt)*] $later:tt
        $(#[doc = $about:literal])+ $key:literal $name:ident: $type:ty, $($rest:tt)*
    ) => {
        keys!(@sort $head [$($field)* { optional [$($about)+] $key $name ($type) }] $later $($rest)*);
    };
    (@sort
        { [$($about:literal)+] $name:ident $what:literal [$($rule:ident)?] }
        [$({ $need:ident [$($doc:literal)+] $key:literal $field:ident ($type:ty) })*]
        [$({ [$($later_doc:literal)+] $later:literal ($later_type:ty) })*]
        $(..$part:ident: $part_type:ty,)*
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name {
            mark: $crate::config::machine::tree::Mark,
            partial: bool,
            $($(#[doc = $doc])+ pub $field: keys!(@type $need $type),)*
            $(
                #[doc = concat!("The keys of [`", stringify!($part_type), "`].")]
                pub $part: $part_type,
            )*
        }

        const _: () = {
            #[derive(Default)]
            pub struct RecordDraft {
                $($field: Option<$crate::config::machine::record::At<$type>>,)*
                $($part: <$part_type as $crate::config::machine::record::Record>::Draft,)*
            }

            impl $crate::config::machine::record::Record for $name {
                const WHAT: &'static str = $what;
                const DOC: &'static [&'static str] = &[$($about),+];
                const WHOLE: bool = keys!(@is whole $($rule)?);
                const OPEN: bool = keys!(@is open $($rule)?);
                type Draft = RecordDraft;

                fn declare(keys: &mut Vec<$crate::config::machine::schema::Key>) {
                    $(keys.push($crate::config::machine::schema::Key {
                        name: $key,
                        required: keys!(@is required $need),
                        doc: &[$($doc),+],
                        schema: <$type as $crate::config::machine::record::Shape>::schema,
                    });)*
                    $(keys.push($crate::config::machine::schema::Key {
                        name: $later,
                        required: false,
                        doc: &[$($later_doc),+],
                        schema: <$later_type as $crate::config::machine::record::Shape>::schema,
                    });)*
                    $(<$part_type as $crate::config::machine::record::Record>::declare(keys);)*
                }

                fn take(
                    draft: &mut RecordDraft,
                    scope: &$crate::config::machine::record::Scope<'_>,
                    key: &str,
                    node: &$crate::config::machine::tree::Node,
                ) -> bool {
                    let RecordDraft { $($field,)* $($part,)* } = draft;
                    match key {
                        $($key => *$field = keys!(@value $need scope $key node),)*
                        $($later => scope.later::<$later_type>($later, node),)*
                        _ => return keys!(@any $(
                            <$part_type as $crate::config::machine::record::Record>::take(
                                $part, scope, key, node,
                            )
                        ),*),
                    }
                    true
                }

                fn complete(
                    draft: RecordDraft,
                    scope: &$crate::config::machine::record::Scope<'_>,
                ) -> Option<Self> {
                    let RecordDraft { $($field,)* $($part,)* } = draft;
                    // Everything that is missing is reported before the first of it ends this.
                    $(let $field = keys!(@found $need scope $key $field);)*
                    $(let $part = <$part_type as $crate::config::machine::record::Record>::complete(
                        $part, scope,
                    );)*
                    Some(Self {
                        mark: scope.mark(),
                        partial: scope.is_broken(),
                        $($field: keys!(@have $need $field),)*
                        $($part: $part?,)*
                    })
                }

                fn mark(&self) -> $crate::config::machine::tree::Mark {
                    self.mark
                }

                fn is_partial(&self) -> bool {
                    self.partial
                }
            }

            impl $crate::config::machine::record::Shape for $name {
                fn read(
                    scope: &$crate::config::machine::record::Scope<'_>,
                    _key: &'static str,
                    node: &$crate::config::machine::tree::Node,
                ) -> Option<Self> {
                    scope.record(node)
                }

                fn schema(
                    schemas: &mut $crate::config::machine::schema::Schemas,
                ) -> serde_json::Value {
                    let form = $crate::config::machine::record::Form::of::<Self>();
                    schemas.refer(stringify!($name), form)
                }
            }
        };
    };

    (@type required $type:ty) => { $crate::config::machine::record::At<$type> };
    (@type optional $type:ty) => { Option<$crate::config::machine::record::At<$type>> };
    (@value required $scope:ident $key:literal $node:ident) => { $scope.needed($key, $node) };
    (@value optional $scope:ident $key:literal $node:ident) => { $scope.value($key, $node) };
    (@found required $scope:ident $key:literal $value:ident) => { $scope.required($key, $value) };
    (@found optional $scope:ident $key:literal $value:ident) => { $value };
    (@have required $value:ident) => { $value? };
    (@have optional $value:ident) => { $value };
    (@any) => { false };
    (@any $($value:expr),+) => { $($value)||+ };
    (@is whole whole) => { true };
    (@is open open) => { true };
    (@is required required) => { true };
    (@is $one:ident $($other:ident)?) => { false };
}
