# _MPSC_ACCEPTS(FLAGS, IF-SO, [IF-NOT])
# ------------------------------------
# Whether the compiler of the current language takes them all without a word. Probed with -Werror: clang
# only warns of warnings that it does not know.
AC_DEFUN([_MPSC_ACCEPTS],
[mpsc_saved_flags=$[]_AC_LANG_PREFIX[]FLAGS
_AC_LANG_PREFIX[]FLAGS="$mpsc_saved_flags -Werror $1"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [mpsc_accepted=yes], [mpsc_accepted=no])
_AC_LANG_PREFIX[]FLAGS=$mpsc_saved_flags
AS_IF([test "x$mpsc_accepted" = xyes], [$2], [$3])])

# MPSC_COMPILE_FLAG(FLAG, VARIABLE)
# ---------------------------------
# Appends FLAG to VARIABLE if the compiler takes it.
AC_DEFUN([MPSC_COMPILE_FLAG],
[m4_pushdef([cache], [AS_TR_SH([mpsc_cv_[]_AC_LANG_ABBREV[]_$1])])dnl
AC_CACHE_CHECK([whether $[]_AC_CC[] accepts $1], [cache],
  [_MPSC_ACCEPTS([$1], [cache=yes], [cache=no])])
AS_IF([test "x$cache" = xyes], [$2="$$2 $1"])
m4_popdef([cache])])

# MPSC_COMPILE_FLAGS(VARIABLE, FLAGS)
# -----------------------------------
# The same for each of a list; a compiler that knows them all is asked once.
AC_DEFUN([MPSC_COMPILE_FLAGS],
[_MPSC_ACCEPTS([m4_normalize([$2])],
  [$1="$$1 m4_normalize([$2])"],
  [m4_foreach_w([flag], [$2], [MPSC_COMPILE_FLAG(flag, [$1])])])])
