# Words after `grid`, for fish. The command itself says what may stand there.
function __grid_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  set -l found (@GRID@ completion words -- $before[2..-1] "$current" 2>/dev/null)
  if test "$found[1]" = files
    __fish_complete_path "$current"
  else if set -q found[2]
    string join \n -- $found[2..-1]
  end
end
complete -c grid -f -a '(__grid_complete)'
