# Run by cpack when the files of the Debian package stand in their places: what Debian has elsewhere or
# compressed.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share)
if(EXISTS ${root}/zsh/site-functions)
  file(RENAME ${root}/zsh/site-functions ${root}/zsh/vendor-completions)
endif()
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${root}/doc/gapscope/changelog
     "gapscope (${CPACK_PACKAGE_VERSION}) bookworm; urgency=medium\n\n  * What has changed is in CHANGELOG.md of the "
     "source.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
foreach(page ${root}/man/man1/gapscope.1 ${root}/doc/gapscope/changelog)
  if(EXISTS ${page})
    execute_process(COMMAND gzip -9n ${page} COMMAND_ERROR_IS_FATAL ANY)
  endif()
endforeach()
