# MPSC_COMPILE_FLAG(FLAG, VARIABLE)
# ---------------------------------
# Appends FLAG to VARIABLE if the compiler of the current language takes it without a word. Probed
# with -Werror: clang only warns of warnings that it does not know.
AC_DEFUN([MPSC_COMPILE_FLAG],
[m4_pushdef([cache], [AS_TR_SH([mpsc_cv_[]_AC_LANG_ABBREV[]_$1])])dnl
AC_CACHE_CHECK([whether $[]_AC_CC[] accepts $1], [cache],
  [mpsc_saved_flags=$[]_AC_LANG_PREFIX[]FLAGS
   _AC_LANG_PREFIX[]FLAGS="$mpsc_saved_flags -Werror $1"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [cache=yes], [cache=no])
   _AC_LANG_PREFIX[]FLAGS=$mpsc_saved_flags])
AS_IF([test "x$cache" = xyes], [$2="$$2 $1"])
m4_popdef([cache])])

# MPSC_COMPILE_FLAGS(VARIABLE, FLAGS)
# -----------------------------------
# The same for each of a list.
AC_DEFUN([MPSC_COMPILE_FLAGS],
[m4_foreach_w([flag], [$2], [MPSC_COMPILE_FLAG(flag, [$1])])])
